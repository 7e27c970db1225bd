import { CORE_FLOORS, PACKAGES, WORKER_FLOORS } from "./scripts/import-tables.ts";

/** Who may import whom (docs/architecture.md). Run by scripts/check-imports.ts, which also counts. */

const TEST = "[.]test[.]ts$|^test/";
const CODE = "^(core|adapters|functions|worker|local|infra|iac|sdk|cli)/";
/** The only files that pick adapters. */
const LAMBDAS = "^functions/(api|schedule)/lambda[.]ts$";
const COMPOSITION_ROOTS = [LAMBDAS, "^worker/(main|compose-worker)[.]ts$", "^local/"];
const FOREIGN_TO_FUNCTIONS = "^(worker|local|infra)/";

/**
 * Modules of the product that infra/ may run: rules, the parsers of each program's environment, tables of
 * names.
 */
const PARSERS = [
  "^core/",
  "^worker/telemetry/(metric-table|cloudwatch-metrics)[.]ts$",
  "^(worker/config/config|functions/api/api-config|functions/schedule/schedule-config|adapters/aws/aws-config)[.]ts$",
];

const filesOf = (folder) => `^${folder}/[^/]+$`;
const literal = (text) => text.replaceAll(".", "[.]");

/** No folder imports one after it. */
function floorRules(room, floors) {
  return floors.flatMap((floor, index) => {
    const above = floors.slice(index + 1);
    return above.length === 0
      ? []
      : {
          name: `floors-of-${room}`,
          comment: `A folder of ${room}/ imports only those before it: ${floors.join(" < ")}.`,
          from: { path: `^${room}/${floor}/`, pathNot: TEST },
          to: { path: `^${room}/(${above.join("|")})/` },
        };
  });
}

/** No folder imports a package or a built-in module that its row does not name. */
const packageRules = Object.entries(PACKAGES).map(([folder, names]) => ({
  name: "packages-of-each-folder",
  comment: `${folder}/ imports ${names.length === 0 ? "no package" : names.join(", ")} (PACKAGES in scripts/import-tables.ts).`,
  from: { path: filesOf(folder), pathNot: TEST },
  to: {
    dependencyTypes: ["core", "npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown"],
    pathNot: names.map((name) =>
      name.startsWith("node:")
        ? `^(node:)?${literal(name.slice("node:".length))}$`
        : `(^|/)node_modules/${literal(name)}/`,
    ),
  },
}));

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
    to: { path: "^(adapters|functions|worker|local|infra|scripts|bench)/" },
  },
  {
    name: "ground-of-core",
    comment: "The files of core/ itself are below all of its folders.",
    from: { path: filesOf("core"), pathNot: TEST },
    to: { path: "^core/[^/]+/" },
  },
  ...floorRules("core", CORE_FLOORS),
  {
    name: "top-of-worker",
    comment: "The files of worker/ itself compose its folders, and no folder imports them.",
    from: { path: "^worker/[^/]+/", pathNot: TEST },
    to: { path: filesOf("worker") },
  },
  ...floorRules("worker", WORKER_FLOORS),
  {
    name: "no-other-folder",
    comment:
      "A new folder takes its place in CORE_FLOORS, WORKER_FLOORS and PACKAGES of scripts/import-tables.ts.",
    from: {
      path: CODE,
      pathNot: [TEST, ...Object.keys(PACKAGES).map(filesOf), "^infra/tooling/"],
    },
    to: {},
  },
  ...packageRules,
  {
    name: "adapters-see-core-only",
    comment: "An adapter implements a port of core/ and nothing else.",
    from: { path: "^adapters/", pathNot: TEST },
    to: { path: "^(functions|worker|local|infra)/" },
  },
  {
    name: "adapter-families-do-not-meet",
    comment: "Code that two families share belongs to core/.",
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
    comment:
      "A certificate that is written must load at the edges, so it is tried in the context that they build.",
    from: { path: LAMBDAS },
    to: { path: FOREIGN_TO_FUNCTIONS, pathNot: "^worker/tls/tls-parameters[.]ts$" },
  },
  {
    name: "worker-and-functions-do-not-meet",
    comment: "API and edge run on different machines; they share core/ and the store.",
    from: { path: "^worker/" },
    to: { path: "^(functions|local|infra)/" },
  },
  {
    name: "adapters-are-wired-in-composition-roots",
    comment: "Every other file takes a port.",
    from: { path: "^(core|functions|worker)/", pathNot: [TEST, ...COMPOSITION_ROOTS] },
    to: { path: "^adapters/" },
  },
  {
    name: "product-never-imports-tests",
    comment: "Tests, benchmarks and scripts are not shipped.",
    from: { path: CODE, pathNot: TEST },
    to: { path: `${TEST}|^(bench|scripts)/` },
  },
  {
    name: "product-needs-no-dev-packages",
    comment: "A package that runs in production is a dependency; those of the clients are in their bundles.",
    from: { path: CODE, pathNot: [TEST, "^(sdk|cli|iac/pulumi)/"] },
    to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
  },
  {
    name: "sdk-stands-alone",
    comment: "The SDK is published: it knows the server by the OpenAPI document alone.",
    from: { path: "^sdk/", pathNot: TEST },
    to: { path: "^(core|adapters|functions|worker|local|infra|cli|scripts|bench|test)/" },
  },
  {
    name: "cli-stands-on-the-sdk",
    comment: "The command line is published: it knows the server by the SDK alone.",
    from: { path: "^cli/", pathNot: TEST },
    to: { path: "^(core|adapters|functions|worker|local|infra|scripts|bench|test)/" },
  },
  {
    name: "pulumi-takes-the-sdk",
    comment: "The package is published: it knows the server by the SDK and the OpenAPI document alone.",
    from: { path: "^iac/pulumi/", pathNot: TEST },
    to: { path: "^(core|adapters|functions|worker|local|infra|iac/sst|scripts|bench|test)/" },
  },
  {
    name: "product-never-imports-clients",
    comment: "A client of the API stands outside of it.",
    from: { path: "^(core|adapters|functions|worker|local|infra)/", pathNot: TEST },
    to: { path: "^(sdk|cli)/" },
  },
  {
    name: "infra-takes-types-and-parsers",
    // scripts/check-imports.ts lets `import type` pass.
    comment:
      "infra/ reads values by the parsers of the programs that get them, and names of metrics from their table; it never runs the product.",
    from: { path: "^infra/" },
    to: { path: "^(core|adapters|functions|worker|local)/", pathNot: PARSERS },
  },
  {
    name: "component-takes-infra",
    comment: "The component gives infra/ its settings and place; what is deployed is in infra/.",
    from: { path: "^iac/sst/", pathNot: TEST },
    to: { path: "^(core|adapters|functions|worker|local|sdk)/" },
  },
];

export default {
  forbidden: RULES.map((rule) => ({ ...rule, severity: "error" })),
  options: {
    // Its TypeScript parser wants the API of TypeScript 6 and finds nothing under 7.
    parser: "swc",
    // Our own code has no other; a test may name one of its functions `require`.
    moduleSystems: ["es6"],
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    exclude: { path: "^[.]data/|^[.]sst/|^coverage/|^(sdk|cli|iac/pulumi)/dist/" },
  },
};
