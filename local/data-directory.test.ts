import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { obtainApiToken } from "./api-token.ts";
import { openDataDirectory } from "./data-directory.ts";
import { fullHostName } from "./host-name.ts";
import { StartFailure } from "../worker/process/start-failure.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

function failureOf(action: () => unknown): StartFailure {
  try {
    action();
  } catch (error) {
    if (error instanceof StartFailure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("DATA_DIR", () => {
  it("is made for its owner alone", () => {
    const path = join(root, "a", "b");
    openDataDirectory(path).release();
    expect(modeOf(path)).toBe(0o700);
  });

  it("is closed to others when it was open and empty", () => {
    chmodSync(root, 0o755);
    const data = openDataDirectory(root);
    expect([modeOf(root), data.isOpenToOthers]).toEqual([0o700, false]);
    data.release();
  });

  it("is left as it is when it is a folder with something in it, and says so", () => {
    chmodSync(root, 0o755);
    writeFileSync(join(root, "of-another-program"), "");
    for (let start = 0; start < 2; start += 1) {
      const data = openDataDirectory(root);
      expect([modeOf(root), data.isOpenToOthers]).toEqual([0o755, true]);
      data.release();
    }
  });

  it("refuses a second user and says so, until the first lets go", () => {
    const first = openDataDirectory(root);
    expect(failureOf(() => openDataDirectory(root)).message).toBe(
      `DATA_DIR: ${root} is in use by another Postern`,
    );
    first.release();
    openDataDirectory(root).release();
  });

  it("is free again when the process that had it was killed", () => {
    const script = `
      import { openDataDirectory } from ${JSON.stringify(join(import.meta.dirname, "data-directory.ts"))};
      globalThis.held = openDataDirectory(${JSON.stringify(root)});
      process.kill(process.pid, "SIGKILL");`;
    const child = spawnSync(process.execPath, ["--input-type=module", "--eval", script]);
    expect([child.signal, child.stderr.toString()]).toEqual(["SIGKILL", ""]);
    openDataDirectory(root).release();
  });

  it("is refused by its name when it is a file, or lies below one", () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    expect(failureOf(() => openDataDirectory(file)).message).toMatch(/^DATA_DIR: .*file/);
    const failure = failureOf(() => openDataDirectory(join(file, "below")));
    expect(failure.message).toMatch(/^DATA_DIR: .*ENOTDIR/);
    expect(failure.exitCode).toBe(78);
  });
});

describe("the API token", () => {
  it("is made once, kept for its owner alone, and found again", () => {
    const path = join(root, "api-token");
    const first = obtainApiToken(path, null);
    expect(first).toMatchObject({ isNew: true, token: expect.stringMatching(/^postern_[A-Za-z0-9_-]{43}$/) });
    expect(modeOf(path)).toBe(0o600);
    expect(obtainApiToken(path, null)).toEqual({ token: first.token, isNew: false });
    expect(obtainApiToken(join(root, "other"), null).token).not.toBe(first.token);
  });

  it("is the one given, which then is the one kept", () => {
    const path = join(root, "api-token");
    obtainApiToken(path, null);
    expect(obtainApiToken(path, "given")).toEqual({ token: "given", isNew: false });
    expect(obtainApiToken(path, null)).toEqual({ token: "given", isNew: false });
  });

  it("closes a file that others may read", () => {
    const path = join(root, "api-token");
    obtainApiToken(path, null);
    chmodSync(path, 0o644);
    obtainApiToken(path, null);
    expect(modeOf(path)).toBe(0o600);
  });

  it.each(["", "two words", "line\nline"])("refuses a file that holds %j, and does not quote it", (text) => {
    const path = join(root, "api-token");
    writeFileSync(path, text);
    const { message } = failureOf(() => obtainApiToken(path, null));
    expect(message).toMatch(/^DATA_DIR: .*api-token holds no token/);
    expect(message).not.toContain("words");
  });
});

describe("the name of this machine", () => {
  const hosts = "127.0.0.1 localhost\n127.0.1.1 mx.example.org mx # mx.wrong\n::1 mx.example.net mx";
  it.each([
    ["mx.example.com", hosts, "mx.example.com"],
    ["mx", hosts, "mx.example.org"],
    ["mx", "10.0.0.1 mx mx.example.org", "mx.example.org"],
    ["mx", "10.0.0.1 mx", null],
    ["mx", "10.0.0.1 other.example mx", null],
    ["other", hosts, null],
    ["localhost", "127.0.0.1 localhost.localdomain localhost", null],
    ["", hosts, null],
  ])("for the host name %j is read from the hosts file", (hostName, file, expected) => {
    expect(fullHostName(hostName, file)).toBe(expected);
  });
});
