import { describe, expect, it } from "vitest";
import { findOpenSsl, runCommand, type RunCommand } from "./command.ts";

const limits = { timeoutMs: 10_000, maxOutputBytes: 10_000 };
const node = (script: string, changed: Partial<typeof limits> = {}): ReturnType<RunCommand> =>
  runCommand(process.execPath, ["-e", script], { ...limits, ...changed });

describe("a command that is run", () => {
  it("gives its exit code and what it wrote", async () => {
    const script = `process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 2`;
    expect(await node(script)).toEqual({ kind: "exited", code: 2, stdout: "out", stderr: "err" });
  });

  it("gets its arguments as they are, and no shell", async () => {
    const args = ["-e", "process.stdout.write(process.argv[1])", "$(id); `id` \"'*"];
    expect(await runCommand(process.execPath, args, limits)).toMatchObject({ stdout: "$(id); `id` \"'*" });
  });

  it("sees nothing of our environment but PATH", async () => {
    process.env["POSTERN_TEST_SECRET"] = "secret";
    const result = await node("process.stdout.write(JSON.stringify(Object.keys(process.env).sort()))");
    delete process.env["POSTERN_TEST_SECRET"];
    expect(result).toMatchObject({ stdout: '["LC_ALL","OPENSSL_CONF","PATH"]' });
  });

  it("is killed when its time is over", async () => {
    expect(await node("setInterval(() => {}, 1000)", { timeoutMs: 100 })).toMatchObject({ kind: "failed" });
  });

  it("is killed when it writes too much", async () => {
    const script = `setInterval(() => process.stderr.write("x".repeat(1000)), 1)`;
    expect(await node(script, { maxOutputBytes: 5_000 })).toMatchObject({ kind: "failed" });
  });

  it("fails when it is not there", async () => {
    const result = await runCommand("/nowhere/openssl", ["version"], limits);
    expect(result).toMatchObject({ kind: "failed", why: expect.stringContaining("ENOENT") });
  });
});

describe("finding openssl", () => {
  const says =
    (stdout: string, code = 0): RunCommand =>
    () =>
      Promise.resolve({ kind: "exited", code, stdout, stderr: "" });

  it.each([
    ["OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)\n"],
    ["OpenSSL 3.5.4 30 Sep 2025\n"],
    ["OpenSSL 4.0.0\n"],
  ])("takes %j", async (version) => {
    expect(await findOpenSsl("openssl", says(version))).toEqual({ problem: null });
  });

  it.each([["OpenSSL 1.1.1w  11 Sep 2023\n"], ["LibreSSL 3.8.2\n"], [""]])(
    "does not take %j",
    async (version) => {
      expect((await findOpenSsl("openssl", says(version))).problem).toContain("not OpenSSL 3");
    },
  );

  it("says why when it is not there, and when it does not work", async () => {
    expect((await findOpenSsl("/nowhere/openssl", runCommand)).problem).toContain("ENOENT");
    expect((await findOpenSsl("openssl", says("OpenSSL 3.0.1", 1))).problem).not.toBeNull();
  });
});
