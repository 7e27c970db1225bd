import { dirname, resolve } from "node:path";
import { type Domain, type Postern, PosternError } from "../../../sdk/src/index.ts";
import type { CommandSpec, Context } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import { EXIT, type ExitCode } from "../frame/exit-code.ts";
import { applyPlan } from "./apply.ts";
import { printOutcomes, printStop } from "./apply-text.ts";
import { driftOf } from "./drift.ts";
import { exportOf, exportText } from "./export.ts";
import { Mistakes } from "./mistakes.ts";
import { domainsAfter, printPending, printWarnings } from "./notices.ts";
import type { Outcomes } from "./outcome.ts";
import { makePlan, type Plan } from "./plan.ts";
import { planFileText, readPlanFile } from "./plan-file.ts";
import { printPlan, stepPiece } from "./plan-text.ts";
import { type PosternFile, readPosternFile } from "./postern-file.ts";
import { readRecords, type Stored, withContents } from "./stored.ts";
import { MAX_FILE_CHARACTERS } from "./yaml-text.ts";

const DEFAULT_FILE = "postern.yaml";
const MAX_PEM_BYTES = 1_000_000;
const OWNER_ONLY = 0o600;

const FILE = { name: "[file]", about: `file of settings, - for stdin; ${DEFAULT_FILE} if left out` };
const PRUNE = { flags: "--prune", about: "delete records with the file's name that it does not have" };
const FORCE = { flags: "--force", about: "delete more than 30 % of them too" };

export const PLAN: CommandSpec = {
  path: "plan",
  summary:
    "Show what apply would change, and which senders it would refuse; exits with 2 if there is a change",
  arguments: [FILE],
  options: [
    PRUNE,
    FORCE,
    { flags: "--out <file>", about: "write the plan for apply, with the revisions it is for" },
  ],
  example: "postern plan postern.yaml",
  async run(context) {
    const { input, output, effects } = context;
    const path = fileOf(context);
    const { plan, file, stored } = await planOf(context, { path, text: await textOf(context, path) });
    const noted = notedOf(file, plan, stored.domains);
    printPlan(plan, output, () => {
      printPending(noted, output);
      printWarnings(noted, output);
    });
    const out = input.text("out");
    if (out !== undefined) await effects.files.write(out, planFileText(plan), OWNER_ONLY);
    return plan.steps.length === 0 ? EXIT.success : EXIT.differences;
  },
};

export const APPLY: CommandSpec = {
  path: "apply",
  summary: "Make the API's records those of a file, or carry out a plan; done when every edge has them",
  arguments: [
    { name: "[file]", about: `file of settings or of plan --out, - for stdin; ${DEFAULT_FILE} if left out` },
  ],
  options: [PRUNE, FORCE, { flags: "--no-wait", about: "do not wait until every edge has the changes" }],
  example: "postern apply postern.yaml",
  endsItself: true,
  run: runApply,
};

export const EXPORT: CommandSpec = {
  path: "export",
  summary: "Print the API's records as a file for plan and apply, without private keys",
  options: [{ flags: "--name <name>", about: "only records with the label managed-by of this value" }],
  example: "postern export > postern.yaml",
  async run({ input, output, effects, api }) {
    const postern = await api();
    const onRead = (count: number): void => output.progress(`${count} domains read`);
    const records = await readRecords(postern, effects.signal, onRead);
    const stored = await withContents(postern, records, { certificates: null, trustStores: null });
    const exported = exportOf(stored, input.text("name") ?? null);
    for (const warning of exported.warnings) output.note("warning: ", warning);
    if (output.isJson) output.json(exported.document);
    else output.block(exportText(exported));
  },
};

const fileOf = ({ input }: Context): string => input.optionalArgument("file") ?? DEFAULT_FILE;

const textOf = ({ effects }: Context, path: string): Promise<string> =>
  path === "-" ? effects.stdin.text(MAX_FILE_CHARACTERS) : effects.files.read(path, MAX_FILE_CHARACTERS);

interface Source {
  readonly path: string;
  readonly text: string;
}

interface Planned {
  readonly plan: Plan;
  readonly file: PosternFile | null;
  readonly stored: Stored;
}

/** Reads the file while the API's records arrive, and compares them. */
async function planOf(context: Context, { path, text }: Source): Promise<Planned> {
  const { input, output, effects } = context;
  const given = new AbortController();
  const end = (): void => given.abort(effects.signal.reason);
  effects.signal.addEventListener("abort", end);
  const postern = context.api();
  const onRead = (count: number): void => output.progress(`${count} domains read`);
  const reading = postern.then((api) => readRecords(api, given.signal, onRead));
  reading.catch(() => undefined);
  try {
    const file = await readPosternFile(text, fileEffects(context, path));
    const stored = await withContents(await postern, await reading, file);
    const options = { prune: input.flag("prune"), force: input.flag("force") };
    return { plan: makePlan(file, stored, options), file, stored };
  } catch (error) {
    if (!(error instanceof Mistakes)) throw error;
    const places = error.placesFor(shownPath(path));
    throw new CommandError(`${shownPath(path)} cannot be applied`, { places, cause: error });
  } finally {
    given.abort();
    effects.signal.removeEventListener("abort", end);
  }
}

const shownPath = (path: string): string => (path === "-" ? "stdin" : path);

function fileEffects({ effects }: Context, path: string) {
  const folder = path === "-" ? "" : dirname(path);
  const pathBeside = (name: string): string => (folder === "" ? name : resolve(folder, name));
  return {
    pathBeside: (name: string) => resolve(pathBeside(name)),
    readBeside: (name: string) => effects.files.read(pathBeside(name), MAX_PEM_BYTES),
  };
}

async function runApply(context: Context): Promise<ExitCode> {
  const { output, effects } = context;
  const path = fileOf(context);
  const text = await textOf(context, path);
  const written = readPlanFile(text, shownPath(path));
  const { plan, file, stored } =
    written === null ? await planOf(context, { path, text }) : await checkedPlan(context, written);
  const postern = await context.api();
  const total = plan.steps.length;
  const outcomes = await applyPlan(plan, {
    postern,
    effects,
    readKey: (key) => effects.files.read(key, MAX_PEM_BYTES),
    onDone: (step, done) => {
      output.json({ done: { action: step.action, kind: step.kind, name: step.name } });
      output.line(stepPiece(step));
      output.progress(`${done} of ${total} applied`);
    },
  });
  const all = plan.steps.map((step) => outcomes.of(step));
  if (outcomes.stopped === null) {
    const after = await domainsAfter(postern, stored.domains, all);
    printPending(notedOf(file, plan, after), output);
    // Of what it wrote: `plan` shows those of the whole file.
    printWarnings(notedOf(null, plan, after), output);
  }
  const left = printOutcomes(all, { path: shownPath(path), file }, output);
  if (outcomes.stopped !== null) printStop(outcomes.stopped, output);
  effects.signal.throwIfAborted();
  if (left > 0) return isConflict(plan, outcomes) ? EXIT.conflict : EXIT.failure;
  if (context.input.flag("wait") && total > 0)
    await waitForEdges(context, postern, { plan, outcomes, stored });
  return EXIT.success;
}

/** The domains of a file; without one, those that a plan writes. */
function notedOf(
  file: PosternFile | null,
  plan: Plan,
  domains: ReadonlyMap<string, Domain>,
): readonly Domain[] {
  const written = plan.steps.filter(({ kind }) => kind === "domain").map(({ name }) => name);
  const names = file === null ? written : [...file.domains.keys()];
  return names.flatMap((name) => domains.get(name) ?? []);
}

const isConflict = (plan: Plan, outcomes: Outcomes): boolean =>
  outcomes.stopped === null && plan.steps.some((step) => outcomes.of(step).fault?.isConflict === true);

/** @throws CommandError (exit code 3) if a record has changed since the plan, before anything is written */
async function checkedPlan(context: Context, plan: Plan): Promise<Planned> {
  const { output, effects, api } = context;
  const onRead = (count: number): void => output.progress(`${count} domains read`);
  const records = await readRecords(await api(), effects.signal, onRead);
  const stored: Stored = { ...records, chains: new Map(), trusted: new Map(), hostCertificates: new Map() };
  const drift = driftOf(plan, stored);
  if (drift.length === 0) return { plan, file: null, stored };
  throw new CommandError("the plan is stale, and nothing was written", {
    exitCode: EXIT.conflict,
    hint: "Plan again: `postern plan --out`.",
    places: drift.slice(0, MOST_SHOWN).map((text) => ({ where: "412", message: text })),
  });
}

const MOST_SHOWN = 50;

interface Applied {
  readonly plan: Plan;
  readonly outcomes: Outcomes;
  readonly stored: Stored;
}

/** Every edge is asked by a domain that exists after the plan; without one no edge serves anything. */
async function waitForEdges(
  { output, effects }: Context,
  postern: Postern,
  { plan, outcomes, stored }: Applied,
): Promise<void> {
  const deleted = new Set(
    plan.steps.filter(({ action }) => action === "delete").map(({ kind, name }) => `${kind} ${name}`),
  );
  const written = plan.steps.filter(({ kind }) => kind === "domain").map(({ name }) => name);
  const domain = [...written, ...stored.domains.keys()].find((name) => !deleted.has(`domain ${name}`));
  if (domain === undefined) return;
  const revision = deleted.size === 0 ? outcomes.lastRevision : await newestRevision(postern, outcomes);
  output.progress(`waiting until every edge has revision ${revision}`);
  await postern.domains.waitUntilApplied(domain, revision, { signal: effects.signal });
  output.line(`Every edge has revision ${revision}.`);
}

/** That of a deletion too, which no answer has. */
async function newestRevision(postern: Postern, outcomes: Outcomes): Promise<number> {
  try {
    for await (const { revision } of postern.changes.list({ order: "desc", limit: 1 })) return revision;
  } catch (error) {
    // Without the scope changes:read, the writes before the deletions are waited for.
    if (!(error instanceof PosternError && error.code === "missing-scope")) throw error;
  }
  return outcomes.lastRevision;
}
