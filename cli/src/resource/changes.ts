import type { ChangePage, EdgePage } from "../../../sdk/src/index.ts";
import type { CommandSpec } from "../frame/command.ts";
import { painted } from "../frame/output.ts";
import { listCommand } from "./record-commands.ts";

const MAX_REVISION = 999_999_999_999_999;
const WITHIN = { min: 0, max: MAX_REVISION };

export const CHANGES: readonly CommandSpec[] = [
  listCommand<ChangePage["items"][number], ChangePage>({
    path: "changes list",
    summary: "List changes: who changed what, and when",
    example: "postern changes list --resource domain/example.com",
    options: [
      { flags: "--resource <kind/id>", about: "only changes of this record" },
      { flags: "--after <revision>", about: "only later ones" },
      { flags: "--before <revision>", about: "only earlier ones" },
      { flags: "--newest", about: "newest first" },
    ],
    columns: [
      { title: "REVISION", cell: ({ revision }) => String(revision) },
      { title: "AT", cell: ({ at }) => at },
      { title: "ACTION", cell: ({ action }) => action },
      { title: "RESOURCE", cell: ({ resource }) => `${resource.kind}/${resource.id}` },
      { title: "ACTOR", cell: ({ actor }) => actor },
    ],
    list: (postern, input, limit) =>
      postern.changes.list({
        resource: input.text("resource"),
        after: input.number("after", WITHIN),
        before: input.number("before", WITHIN),
        order: input.flag("newest") ? "desc" : "asc",
        limit,
      }),
  }),
];

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
