import type { Change, ChangeFilter, ChangePage, EdgePage, List, Postern } from "../../../sdk/src/index.ts";
import type { CommandSpec, OptionSpec } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import type { Input } from "../frame/input.ts";
import { type Output, painted, type Piece } from "../frame/output.ts";
import { differenceLine, differences } from "./differences.ts";
import { hostLines, SHARED_HOSTS, sharedHostsOf } from "./shared-hosts.ts";
import { IF_MATCH, givenMatch, listCommand } from "./record-commands.ts";

const MAX_REVISION = 999_999_999_999_999;
const WITHIN = { min: 0, max: MAX_REVISION };
/** Seconds that one request may wait (docs/api.md). */
const LONGEST_WAIT_S = 25;
const MAX_WAIT_S = 86_400;
const MS_PER_S = 1_000;

const FILTERS: readonly OptionSpec[] = [
  { flags: "--resource <kind/id>", about: "only changes of this record" },
  { flags: "--actor <name>", about: "only changes by this caller" },
  { flags: "--from <time>", about: "only at or after this time, such as 2027-01-31T00:00:00Z" },
  { flags: "--to <time>", about: "only before this time" },
  { flags: "--after <revision>", about: "only later ones" },
  { flags: "--before <revision>", about: "only earlier ones" },
  { flags: "--newest", about: "newest first" },
  { flags: "--wait <seconds>", about: "if there is none after --after, at most so long for the next one" },
  { flags: "--follow", about: "go on with each new one; without --after and --from from now on" },
];

const filterOf = (input: Input, limit: number): ChangeFilter => ({
  resource: input.text("resource"),
  actor: input.text("actor"),
  from: input.text("from"),
  to: input.text("to"),
  after: input.number("after", WITHIN),
  before: input.number("before", WITHIN),
  order: input.flag("newest") ? "desc" : "asc",
  limit,
});

const LIST: CommandSpec = listCommand<Change, ChangePage>({
  path: "changes list",
  summary: "List changes: who changed what, and when",
  example: "postern changes list --resource domain/example.com",
  options: FILTERS,
  columns: [
    { title: "REVISION", cell: ({ revision }) => String(revision) },
    { title: "AT", cell: ({ at }) => at },
    { title: "ACTION", cell: ({ action }) => action },
    { title: "RESOURCE", cell: ({ resource }) => `${resource.kind}/${resource.id}` },
    { title: "ACTOR", cell: ({ actor }) => actor },
  ],
  details: changeLines,
  isLive: (input) => input.flag("follow"),
  list(postern, input, { limit, effects }) {
    const filter = filterOf(input, limit);
    const waitS = input.number("wait", { min: 0, max: MAX_WAIT_S });
    const isFollowed = input.flag("follow");
    if (waitS === undefined && !isFollowed) return postern.changes.list(filter);
    if (filter.order === "desc" || filter.before !== undefined)
      throw new CommandError("--wait and --follow are for later changes, without --newest and --before");
    if (isFollowed && filter.to !== undefined)
      throw new CommandError("--follow has no end, and --to is one: leave one");
    if (isFollowed) return pagesOf(() => followed(postern, filter));
    if (filter.after === undefined)
      throw new CommandError("--wait needs --after", { hint: "It waits for a change after that revision." });
    const until = effects.clock.now() + (waitS ?? 0) * MS_PER_S;
    return pagesOf(() => awaited(postern, filter, () => until - effects.clock.now()));
  },
});

const pagesOf = (pages: () => AsyncIterable<ChangePage>): Pick<List<ChangePage>, "pages"> => ({ pages });

/** Without a revision to begin after: the changes from a time, if there is one, and then all new ones. */
async function* followed(postern: Postern, filter: ChangeFilter): AsyncGenerator<ChangePage, void, void> {
  let { after } = filter;
  if (after === undefined) {
    after = await newestRevision(postern);
    if (filter.from !== undefined)
      for await (const page of postern.changes.list(filter).pages()) {
        yield page;
        after = Math.max(after, ...page.items.map(({ revision }) => revision));
      }
  }
  yield* postern.changes.list({ ...filter, after, wait: LONGEST_WAIT_S }).pages();
}

/** A revision that all changes of the account so far are at or before, as far as one page shows. */
async function newestRevision(postern: Postern): Promise<number> {
  for await (const { items, unreadable, nextCursor } of postern.changes
    .list({ order: "desc", limit: 1 })
    .pages())
    return Math.max(Number(nextCursor ?? 0), ...[...items, ...unreadable].map(({ revision }) => revision));
  return 0;
}

/** The first page with a change, and those after it; or none when the time is over. */
async function* awaited(
  postern: Postern,
  filter: ChangeFilter,
  leftMs: () => number,
): AsyncGenerator<ChangePage, void, void> {
  let { after } = filter;
  for (;;) {
    const wait = Math.min(LONGEST_WAIT_S, Math.max(0, Math.ceil(leftMs() / MS_PER_S)));
    const page = await firstOf(postern.changes.list({ ...filter, after, wait }));
    after = Number(page?.nextCursor ?? after);
    if (page === null || page.items.length + page.unreadable.length > 0) {
      if (page !== null) yield page;
      yield* postern.changes.list({ ...filter, after }).pages();
      return;
    }
    if (leftMs() <= 0) return;
  }
}

async function firstOf(list: List<ChangePage>): Promise<ChangePage | null> {
  for await (const page of list.pages()) return page;
  return null;
}

/** What an update changed, and the MX hosts and domains that it took along. */
function changeLines(change: Change): readonly (readonly Piece[])[] {
  const { before, after } = change;
  const fields = before === null || after === null ? [] : differences(before, after);
  const lines = [...fields.map(differenceLine), ...hostLines(change)];
  return lines.map((line) => ["    ", ...line]);
}

const REVERT: CommandSpec = {
  path: "changes revert",
  summary: "Write a record back as it was before a change",
  example: "postern changes revert 17",
  arguments: [{ name: "<revision>", about: "of the change, as `changes list` shows it" }],
  options: [
    { ...IF_MATCH, about: "also where the record was changed since, and is at this revision; '*' = at any" },
    { flags: "--if-absent", about: "create the record again, where it was deleted since" },
    SHARED_HOSTS,
  ],
  async run({ api, input, output }) {
    const text = input.argument("revision");
    if (!/^\d{1,15}$/u.test(text)) throw new CommandError("revision must be that of a change");
    if (input.flag("ifAbsent") && input.text("ifMatch") !== undefined)
      throw new CommandError("--if-match is for a record that exists, --if-absent for one that does not");
    const change = await (await api()).changes.revert(Number(text), {
      ifMatch: givenMatch(input),
      ifNoneMatch: input.flag("ifAbsent") ? "*" : undefined,
      sharedHosts: sharedHostsOf(input),
    });
    output.json({ change });
    printRevert(text, change, output);
  },
};

function printRevert(reverted: string, change: Change | null, output: Output): void {
  if (change === null) {
    output.line("no difference: the record is as it was before the change");
    return;
  }
  const { action, resource, revision } = change;
  output.line(`change ${reverted} reverted by ${revision}: ${action} ${resource.kind}/${resource.id}`);
  for (const line of changeLines(change)) output.line(...line);
}

export const CHANGES: readonly CommandSpec[] = [LIST, REVERT];

export const EDGES: readonly CommandSpec[] = [
  listCommand<EdgePage["items"][number], EdgePage>({
    path: "edges list",
    summary: "List the edges that enforce the settings",
    example: "postern edges list",
    columns: [
      { title: "ID", cell: ({ id }) => id },
      { title: "STATE", cell: ({ state }) => painted(state === "live" ? "good" : "bad", state) },
      { title: "RELEASE", cell: ({ release }) => release },
      { title: "REVISION", cell: ({ revision }) => String(revision ?? "") },
      { title: "STALE", cell: ({ stale }) => painted("warn", stale ? "stale" : "") },
      { title: "LAST REPORT", cell: ({ lastReportAt }) => lastReportAt },
      {
        title: "LISTENERS",
        cell: ({ listeners }) => listeners.map(({ name, port }) => `${name}:${port}`).join(" "),
      },
    ],
    list: (postern) => postern.edges.list(),
  }),
];
