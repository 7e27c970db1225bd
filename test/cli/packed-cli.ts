import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { installPacked } from "../support/packed-package.ts";
import type { CliRun } from "./run-cli.ts";

interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly node?: string;
}

/** An otherwise empty project with the command `postern`, installed from its archive. */
export class CliProject {
  readonly directory: string = mkdtempSync(join(tmpdir(), "postern-cli-"));
  readonly packed: readonly string[];

  constructor() {
    this.packed = installPacked("cli", this.directory);
  }

  /** The command itself. */
  get program(): string {
    return join(this.directory, "node_modules/.bin/postern");
  }

  readPacked(path: string): string {
    return readFileSync(join(this.directory, "node_modules/@postern/cli", path), "utf8");
  }

  /** Runs the command as a process. */
  async run(argv: readonly string[], options: ProcessOptions = {}): Promise<CliRun> {
    const { env = {}, stdin = "", node } = options;
    const [program, args] = node === undefined ? [this.program, argv] : [node, [this.program, ...argv]];
    const child = spawn(program, args, {
      cwd: this.directory,
      env: { PATH: process.env["PATH"], HOME: this.directory, ...env },
    });
    child.stdin.end(stdin);
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number]>,
    ]);
    return { exitCode, stdout, stderr };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
