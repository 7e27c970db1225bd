/** Who may import whom (docs/architecture.md). Run by scripts/check-imports.ts, which also counts. */

const TEST = "[.]test[.]ts$|^test/";
const CODE = "^(core|adapters|functions|worker|local|infra)/";
/** The only files that pick adapters. */
const COMPOSITION_ROOTS = ["^functions/(api|schedule)/lambda[.]ts$", "^worker/main[.]ts$", "^local/"];

const forbid = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });

export default {
  forbidden: [
    forbid("no-cycles", "Two files that need each other are one file, or three.", {}, { circular: true }),
    forbid("resolves", "An import that leads nowhere fails at start.", {}, { couldNotResolve: true }),
    forbid(
      "core-is-pure",
      "core/ decides; sockets, files, processes and clocks are handed to it.",
      { path: "^core/", pathNot: TEST },
      {
        pathNot: [
          "^core/",
          "^(node:)?(crypto|url)$",
          "(^|/)node_modules/(zod|@peculiar/[^/]+|ipaddr[.]js|reflect-metadata)/",
        ],
      },
    ),
    forbid(
      "adapters-see-core-only",
      "An adapter implements a port of core/ and nothing else.",
      { path: "^adapters/", pathNot: TEST },
      { path: "^(functions|worker|local|infra)/" },
    ),
    forbid(
      "adapter-families-do-not-meet",
      "What two families share belongs to core/.",
      { path: "^adapters/([^/]+)/", pathNot: TEST },
      { path: "^adapters/", pathNot: "^adapters/$1/" },
    ),
    forbid(
      "functions-and-worker-do-not-meet",
      "API and edge run on different machines; they share core/ and the store.",
      { path: "^functions/" },
      { path: "^(worker|local|infra)/|(^|/)node_modules/(smtp-server|nodemailer)/" },
    ),
    forbid(
      "worker-and-functions-do-not-meet",
      "API and edge run on different machines; they share core/ and the store.",
      { path: "^worker/" },
      { path: "^(functions|local|infra)/|(^|/)node_modules/(hono|@hono)/" },
    ),
    forbid(
      "adapters-are-wired-in-composition-roots",
      "Everything else takes a port.",
      { path: "^(core|functions|worker|infra)/", pathNot: [TEST, ...COMPOSITION_ROOTS] },
      { path: "^adapters/" },
    ),
    forbid(
      "smtp-server-in-the-session-room",
      "Its traps are known to one file of worker/session.",
      { path: CODE, pathNot: [TEST, "^worker/session/"] },
      { path: "(^|/)node_modules/smtp-server/" },
    ),
    forbid(
      "product-never-imports-tests",
      "Tests are not shipped.",
      { path: CODE, pathNot: TEST },
      { path: TEST },
    ),
    forbid(
      "product-needs-no-dev-packages",
      "What runs in production is a dependency.",
      { path: CODE, pathNot: TEST },
      { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "infra-takes-types-only",
      "infra/ checks names of variables; it never runs the product.",
      { path: "^infra/" },
      { path: "^(core|adapters|functions|worker|local)/", dependencyTypesNot: ["type-only"] },
    ),
  ],
  options: {
    // Its TypeScript parser wants the API of TypeScript 6 and finds nothing under 7.
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    exclude: { path: "^[.]data/|^coverage/" },
  },
};
