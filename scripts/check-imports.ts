import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { transformSync } from "esbuild";
import { cruise, type ICruiseResult, type IModule } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";

/** Every folder with TypeScript of the repository; a missing one is skipped. */
const FOLDERS = [
  "core",
  "adapters",
  "functions",
  "worker",
  "local",
  "infra",
  "iac",
  "sdk",
  "cli",
  "scripts",
  "bench",
  "test",
];
/**
 * With fewer modules the tree was not read: with a wrong parser dependency-cruiser finds no module and
 * passes.
 */
const FEWEST_MODULES = 50;
const OF_THE_PRODUCT = /^(?:core|adapters|functions|worker|local)\/(?!.*[.]test[.]ts$)/u;
/** The rule of .dependency-cruiser.mjs that lets types pass. */
const TYPES_ONLY = "infra-takes-types-and-parsers";
const SMTP_SERVER = /(?:^|\/)node_modules\/smtp-server\//u;

export interface ImportsReport {
  /** Modules of the repository that were read. */
  readonly modules: number;
  /** One sentence each; empty = every rule holds. */
  readonly faults: readonly string[];
}

export interface ImportsOptions {
  /** The folder that holds `core`, `worker`, … */
  readonly root: string;
  /** Path of the dependency-cruiser configuration. */
  readonly rules: string;
  readonly fewestModules: number;
}

/** Checks every import under `root` by the rules of docs/architecture.md, "Who may import whom". */
export async function checkImports({ root, rules, fewestModules }: ImportsOptions): Promise<ImportsReport> {
  const options = await extractDepcruiseOptions(rules);
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const { output } = await cruise(folders, { ...options, baseDir: root, validate: true });
  if (typeof output === "string") throw new TypeError("dependency-cruiser answered with text");
  const ours = output.modules.filter(({ source }) =>
    FOLDERS.some((folder) => source.startsWith(`${folder}/`)),
  );
  const comments = new Map(
    (options.ruleSet?.forbidden ?? []).map(({ name = "", comment = "" }) => [name, comment]),
  );
  return {
    modules: ours.length,
    faults: [
      ...floor(ours.length, fewestModules),
      ...brokenRules(output, { root, comments }),
      ...doorsOfSmtpServer(ours),
    ],
  };
}

function floor(modules: number, fewest: number): readonly string[] {
  return modules < fewest ? [`only ${modules} modules were read, at least ${fewest} are there`] : [];
}

interface RuleContext {
  readonly root: string;
  readonly comments: ReadonlyMap<string, string>;
}

function brokenRules({ summary }: ICruiseResult, { root, comments }: RuleContext): readonly string[] {
  return summary.violations
    .filter(({ rule }) => rule.severity === "error")
    .filter(({ rule, from, to }) => rule.name !== TYPES_ONLY || importsValueOf(join(root, from), to))
    .map(({ rule, from, to }) =>
      `${rule.name}: ${from} imports ${to}. ${comments.get(rule.name) ?? ""}`.trim(),
    );
}

/**
 * Whether an import of `to` remains at run time: dependency-cruiser's swc parser does not distinguish type
 * imports.
 */
function importsValueOf(file: string, to: string): boolean {
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } };
  const { code } = transformSync(readFileSync(file, "utf8"), { loader: "ts", tsconfigRaw });
  return code.includes(`/${basename(to)}"`);
}

/** smtp-server has pitfalls that types do not show (docs/adr), so only one file may import it. */
function doorsOfSmtpServer(modules: readonly IModule[]): readonly string[] {
  const doors = modules
    .filter(({ source }) => OF_THE_PRODUCT.test(source))
    .filter(({ dependencies }) => dependencies.some(({ resolved }) => SMTP_SERVER.test(resolved)))
    .map(({ source }) => source);
  return doors.length > 1 ? [`smtp-server-behind-one-door: imported by ${doors.join(", ")}`] : [];
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const rules = join(root, ".dependency-cruiser.mjs");
  const { modules, faults } = await checkImports({ root, rules, fewestModules: FEWEST_MODULES });
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stdout.write(`imports: ${modules} modules read, ${faults.length} faults\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
