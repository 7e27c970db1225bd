import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runTool } from "../document/document-tools.ts";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGE = join(ROOT, "iac/pulumi");
const require = createRequire(join(PACKAGE, "package.json"));

export type Values = Record<string, unknown>;

/** Messages and client of Pulumi's protocol, as Pulumi's own package has them generated. */
interface Message {
  [method: string]: (...args: readonly unknown[]) => unknown;
}
type MessageClass = new () => Message;
const messages = require("@pulumi/pulumi/proto/provider_pb") as Readonly<Record<string, MessageClass>>;
const { ResourceProviderClient } = require("@pulumi/pulumi/proto/provider_grpc_pb") as {
  readonly ResourceProviderClient: new (address: string, credentials: unknown) => Client;
};
const { Struct } = require("google-protobuf/google/protobuf/struct_pb") as {
  readonly Struct: { fromJavaScript(values: Values): unknown };
};
const grpc = require("@grpc/grpc-js") as {
  readonly credentials: { createInsecure(): unknown };
};
type Callback = (error: Error | null, answer: Message) => void;
type Client = Readonly<Record<string, (request: unknown, callback: Callback) => void>> & { close(): void };

/** An otherwise empty project with the package, from the archive that `npm pack` makes of it. */
export class PulumiProject {
  readonly directory: string = mkdtempSync(join(tmpdir(), "postern-pulumi-"));
  /** Files of the archive. */
  readonly packed: readonly string[];
  readonly #hadDist = existsSync(join(PACKAGE, "dist"));

  constructor() {
    const [archive] = Object.values<{ filename: string; files: { path: string }[] }>(
      JSON.parse(
        this.#npm(["pack", "--workspace", "iac/pulumi", "--json", "--pack-destination", this.directory]),
      ),
    );
    if (archive === undefined) throw new TypeError("npm packed nothing");
    this.packed = archive.files.map(({ path }) => path);
    const scope = join(this.directory, "node_modules/@postern");
    mkdirSync(scope, { recursive: true });
    execFileSync("tar", ["-xzf", join(this.directory, archive.filename), "-C", scope]);
    execFileSync("mv", [join(scope, "package"), join(scope, "pulumi")]);
    // A peer dependency: 84 MB that no registry is asked for here.
    const pulumi = join(require.resolve("@pulumi/pulumi/package.json"), "../..");
    symlinkSync(pulumi, join(this.directory, "node_modules/@pulumi"));
    writeFileSync(join(this.directory, "package.json"), '{ "private": true, "type": "module" }');
  }

  readPacked(path: string): string {
    return readFileSync(join(this.directory, "node_modules/@postern/pulumi", path), "utf8");
  }

  /** What a strict project reports about a program, which may be wrong in more than one place. */
  async typeErrors(program: string): Promise<string> {
    writeFileSync(join(this.directory, "program.ts"), program);
    const compilerOptions = {
      module: "nodenext",
      target: "es2023",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      typeRoots: [join(ROOT, "node_modules/@types")],
      types: ["node"],
    };
    writeFileSync(
      join(this.directory, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["program.ts"] }),
    );
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const { output, errors } = await runTool(process.execPath, [compiler, "--project", "."], this.directory);
    return `${output}${errors}`;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
    if (!this.#hadDist) rmSync(join(PACKAGE, "dist"), { recursive: true, force: true });
  }

  #npm(args: readonly string[]): string {
    const own = Object.entries(process.env).filter(([name]) => !/^npm_/iu.test(name));
    const cache = join(this.directory, ".npm");
    const env = { ...Object.fromEntries(own), npm_config_cache: cache, npm_config_update_notifier: "false" };
    return execFileSync("npm", args, { cwd: ROOT, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }
}

/** Pulumi's server of dynamic providers as its engine starts it: a process in the folder of the program. */
export class DynamicProviders {
  readonly #child: ChildProcess;
  readonly #client: Promise<Client>;
  /** What the server wrote about failures. */
  errors = "";

  constructor(directory: string, env: Readonly<Record<string, string>>) {
    const program = require.resolve("@pulumi/pulumi/cmd/dynamic-provider");
    this.#child = spawn(process.execPath, [program, "127.0.0.1:1"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], TMPDIR: directory, ...env },
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    this.#client = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("exit", () => reject(new Error(`the server ended: ${this.errors}`)));
      if (this.#child.stdout === null) throw new TypeError("no output");
      createInterface({ input: this.#child.stdout }).once("line", (port) =>
        resolve(new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure())),
      );
    });
  }

  async configure(): Promise<void> {
    await this.#call("configure", "ConfigureRequest", { setArgs: Struct.fromJavaScript({}) });
  }

  async check(
    olds: Values,
    news: Values,
  ): Promise<{ inputs: Values; failures: readonly (readonly [string, string])[] }> {
    const answer = await this.#call("check", "CheckRequest", {
      setOlds: struct(olds),
      setNews: struct(news),
    });
    const failures = answer["getFailuresList"]?.() as readonly Message[];
    return {
      inputs: values(answer["getInputs"]?.()),
      failures: failures.map(
        (each) => [String(each["getProperty"]?.()), String(each["getReason"]?.())] as const,
      ),
    };
  }

  async diff(id: string, olds: Values, news: Values) {
    const answer = await this.#call("diff", "DiffRequest", {
      setId: id,
      setOlds: struct(olds),
      setNews: struct(news),
    });
    return {
      // 1 = none, 2 = some.
      changes: answer["getChanges"]?.() === 2,
      replaces: answer["getReplacesList"]?.(),
      deletesFirst: answer["getDeletebeforereplace"]?.(),
    };
  }

  async create(inputs: Values): Promise<{ id: string; state: Values }> {
    const answer = await this.#call("create", "CreateRequest", { setProperties: struct(inputs) });
    return { id: String(answer["getId"]?.()), state: values(answer["getProperties"]?.()) };
  }

  async read(id: string, state: Values, inputs: Values = {}) {
    const answer = await this.#call("read", "ReadRequest", {
      setId: id,
      setProperties: struct(state),
      setInputs: struct(inputs),
    });
    return {
      id: String(answer["getId"]?.()),
      state: values(answer["getProperties"]?.()),
      inputs: values(answer["getInputs"]?.()),
    };
  }

  async update(id: string, olds: Values, news: Values): Promise<Values> {
    const answer = await this.#call("update", "UpdateRequest", {
      setId: id,
      setOlds: struct(olds),
      setNews: struct(news),
    });
    return values(answer["getProperties"]?.());
  }

  async delete(id: string, state: Values): Promise<void> {
    await this.#call("delete", "DeleteRequest", { setId: id, setProperties: struct(state) });
  }

  async end(): Promise<void> {
    (await this.#client.catch(() => null))?.close();
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #call(method: string, type: string, members: Readonly<Record<string, unknown>>): Promise<Message> {
    const Request = messages[type];
    if (Request === undefined) throw new TypeError(type);
    const request = new Request();
    for (const [setter, value] of Object.entries(members)) request[setter]?.(value);
    const client = await this.#client;
    return new Promise((resolve, reject) => {
      client[method]?.(request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }
}

/** Members that are undefined are absent, as in the engine's. */
const struct = (given: Values): unknown => Struct.fromJavaScript(JSON.parse(JSON.stringify(given)) as Values);

const values = (given: unknown): Values =>
  given === undefined || given === null ? {} : (given as { toJavaScript(): Values }).toJavaScript();

/** What the package gives Pulumi's engine for a resource. */
export const handlerText = (name: string): string =>
  `exports.handler = () => require("@postern/pulumi/provider").${name}();`;
