/** Who may import whom (docs/architecture.md). Run by scripts/check-imports.ts, which also counts. */

const TEST = "[.]test[.]ts$|^test/";
const CODE = "^(core|adapters|functions|worker|local|infra)/";
/** The only files that pick adapters. */
const LAMBDAS = "^functions/(api|schedule)/lambda[.]ts$";
const COMPOSITION_ROOTS = [LAMBDAS, "^worker/main[.]ts$", "^local/"];
const FOREIGN_TO_FUNCTIONS = "^(worker|local|infra)/|(^|/)node_modules/(smtp-server|nodemailer)/";

/** What infra/ may run: pure rules, what each program reads its environment by, and the table of the edges' metrics. */
const PARSERS = [
  "^core/",
  "^worker/telemetry/(metric-table|cloudwatch-metrics)[.]ts$",
  "^(worker/config/config|functions/api/api-config|adapters/aws/aws-config)[.]ts$",
];

const RULES = [
  {
    name: "no-cycles",
    comment: "Two files that need each other are one file, or three.",
    from: {},
    to: { circular: true },
  },
  {
    name: "resolves",
    comment: "An import that leads nowhere fails at start.",
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: "core-is-pure",
    comment: "core/ decides; sockets, files, processes and clocks are handed to it.",
    from: { path: "^core/", pathNot: TEST },
    to: {
      pathNot: [
        "^core/",
        "^(node:)?(crypto|url)$",
        "(^|/)node_modules/(zod|@peculiar/[^/]+|ipaddr[.]js|reflect-metadata)/",
      ],
    },
  },
  {
    name: "adapters-see-core-only",
    comment: "An adapter implements a port of core/ and nothing else.",
    from: { path: "^adapters/", pathNot: TEST },
    to: { path: "^(functions|worker|local|infra)/" },
  },
  {
    name: "adapter-families-do-not-meet",
    comment: "What two families share belongs to core/.",
    from: { path: "^adapters/([^/]+)/", pathNot: TEST },
    to: { path: "^adapters/", pathNot: "^adapters/$1/" },
  },
  {
    name: "functions-and-worker-do-not-meet",
    comment: "API and edge run on different machines; they share core/ and the store.",
    from: { path: "^functions/", pathNot: LAMBDAS },
    to: { path: FOREIGN_TO_FUNCTIONS },
  },
  {
    name: "lambdas-take-the-edge-context",
    comment: "What is written must load at the edges: it is tried in the very context that they build.",
    from: { path: LAMBDAS },
    to: { path: FOREIGN_TO_FUNCTIONS, pathNot: "^worker/tls/edge-context[.]ts$" },
  },
  {
    name: "worker-and-functions-do-not-meet",
    comment: "API and edge run on different machines; they share core/ and the store.",
    from: { path: "^worker/" },
    to: { path: "^(functions|local|infra)/|(^|/)node_modules/(hono|@hono)/" },
  },
  {
    name: "adapters-are-wired-in-composition-roots",
    comment: "Everything else takes a port.",
    from: { path: "^(core|functions|worker)/", pathNot: [TEST, ...COMPOSITION_ROOTS] },
    to: { path: "^adapters/" },
  },
  {
    name: "smtp-server-in-the-session-room",
    comment: "Its traps are known to one file of worker/session.",
    from: { path: CODE, pathNot: [TEST, "^worker/session/"] },
    to: { path: "(^|/)node_modules/smtp-server/" },
  },
  {
    name: "product-never-imports-tests",
    comment: "Tests are not shipped.",
    from: { path: CODE, pathNot: TEST },
    to: { path: TEST },
  },
  {
    name: "product-needs-no-dev-packages",
    comment: "What runs in production is a dependency.",
    from: { path: CODE, pathNot: TEST },
    to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
  },
  {
    name: "infra-takes-types-and-parsers",
    // scripts/check-imports.ts lets `import type` pass.
    comment:
      "infra/ reads values by the parsers of the programs that get them, and names of metrics from their table; it never runs the product.",
    from: { path: "^infra/" },
    to: { path: "^(core|adapters|functions|worker|local)/", pathNot: PARSERS },
  },
];

export default {
  forbidden: RULES.map((rule) => ({ ...rule, severity: "error" })),
  options: {
    // Its TypeScript parser wants the API of TypeScript 6 and finds nothing under 7.
    parser: "swc",
    // Our own code has no other; a test may call a function of its own `require`.
    moduleSystems: ["es6"],
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    exclude: { path: "^[.]data/|^[.]sst/|^coverage/" },
  },
};
