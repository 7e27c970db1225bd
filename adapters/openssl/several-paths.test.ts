import { createPublicKey } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChainQuestion, ChainVerdict } from "../../core/policy/chain-verifier.ts";
import { trustOf } from "../../test/support/client-certificates/kind.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueClient, makeCa, type TestCa } from "../../test/support/pki.ts";
import { MAX_PATHS } from "./certificate-paths.ts";
import type { CommandResult, RunCommand } from "./command.ts";
import { createOpenSslChainVerifier, type OpenSslChainVerifier } from "./openssl-chain-verifier.ts";

/** One certificate more for a CA's name and key: each is another path. */
const again = (ca: TestCa): TestCa =>
  makeCa({
    name: ca.subject,
    key: { privateKey: ca.privateKey, publicKey: createPublicKey(ca.privateKey) },
  });
const ca = makeCa({ name: "CA" });
const question = (anchors: readonly TestCa[], crlsPem: readonly string[] = []): ChainQuestion => ({
  chain: issueClient({ names: ["client.example"], ca }).chain,
  trust: trustOf(
    anchors.map(({ certificatePem }) => certificatePem),
    crlsPem,
  ),
  client: "192.0.2.1",
});

const exited = (code: number, stdout: string, stderr: string): CommandResult => ({
  kind: "exited",
  code,
  stdout,
  stderr,
});
const bad = (code: number): CommandResult => exited(2, "", `error ${String(code)} at 0 depth lookup: bad\n`);
const good = (args: readonly string[]): CommandResult => exited(0, `${args.at(-1) ?? ""}: OK\n`, "");
const INVALID_PURPOSE = 26;

describe("a chain with several paths to an anchor", () => {
  let temporaryDirectory: string;
  let verifier: OpenSslChainVerifier;
  let purposes: string[];
  let trusted: string[];
  let answer: (args: readonly string[], run: number) => CommandResult;

  const create = async (maxPerClientPerMinute = 100): Promise<void> => {
    const run: RunCommand = async (_command, args) => {
      if (args[0] === "version") return exited(0, "OpenSSL 3.0.19\n", "");
      purposes.push(args[args.indexOf("-purpose") + 1] ?? "");
      trusted.push(await readFile(args[args.indexOf("-trusted") + 1] ?? "", "utf8"));
      return answer(args, purposes.length);
    };
    verifier = await createOpenSslChainVerifier({
      clock: { now: () => Date.now() },
      maxPerClientPerMinute,
      run,
      temporaryDirectory,
    });
  };
  const ask = (asked: ChainQuestion): Promise<ChainVerdict> => verifier.verify(asked);

  beforeEach(async () => {
    temporaryDirectory = await mkdtemp(join(tmpdir(), "postern-test-"));
    purposes = [];
    trusted = [];
    answer = () => bad(10);
    await create();
  });
  afterEach(async () => {
    await verifier.close();
    await rm(temporaryDirectory, { recursive: true, force: true });
  });

  it("is judged on each with that anchor alone, until one is good", async () => {
    const anchors = [ca, again(ca), again(ca)];
    answer = (args, run) => (run < 2 ? bad(10) : good(args));
    expect(await ask(question(anchors))).toMatchObject({ kind: "judged", valid: true, clientAuth: true });
    expect(trusted).toHaveLength(2);
    for (const text of trusted) expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(new Set(trusted).size).toBe(2);
  });

  it("is refused when every path was", async () => {
    expect(await ask(question([ca, again(ca)]))).toMatchObject({ kind: "judged", valid: false });
    expect(trusted).toHaveLength(2);
  });

  it("has the purpose of the path that allows most", async () => {
    answer = (args, run) =>
      run === 1 || args.includes("sslclient") ? bad(run === 1 ? 10 : INVALID_PURPOSE) : good(args);
    expect(await ask(question([ca, again(ca)]))).toMatchObject({
      valid: true,
      clientAuth: false,
      serverAuth: true,
    });
  });

  it("is not judged when there are more paths than are tried, unless one of those is good", async () => {
    const anchors = Array.from({ length: MAX_PATHS + 1 }, () => again(ca));
    expect(await ask(question(anchors))).toMatchObject({ kind: "not-judged" });
    expect(trusted).toHaveLength(MAX_PATHS);
    answer = good;
    expect(await ask(question(anchors))).toMatchObject({ kind: "judged", valid: true });
  });

  it("is not judged when one path could not be, and no other is good", async () => {
    answer = (_, run) => (run === 1 ? exited(1, "", "") : bad(10));
    expect(await ask(question([ca, again(ca)]))).toMatchObject({ kind: "not-judged" });
  });

  it("counts each path against the client's rate, and is not judged beyond it", async () => {
    await verifier.close();
    await create(3);
    const anchors = [ca, again(ca), again(ca), again(ca)];
    expect(await ask(question(anchors))).toMatchObject({ kind: "not-judged", tooMany: true });
    expect(trusted).toHaveLength(3);
  });

  it("is not refused for the wrong CRL of two CAs of one name on the path", async () => {
    const below = makeCa({ name: "CA", parent: ca });
    const crls = [ca, below].map((each) => makeCrl({ ca: each }));
    const asked = {
      ...question([ca], crls),
      chain: issueClient({ names: ["client.example"], ca: below }).chain,
    };
    answer = () => bad(8);
    expect(await ask(asked)).toMatchObject({ kind: "not-judged" });
    answer = () => bad(23);
    expect(await ask(asked)).toMatchObject({ kind: "judged", valid: false });
  });

  it("leaves no file behind", async () => {
    await ask(question([ca, again(ca)], [makeCrl({ ca })]));
    const [directory = ""] = await readdir(temporaryDirectory);
    const left = await readdir(join(temporaryDirectory, directory));
    expect(left.map((name) => name.replace(/-\d+\.pem$/, "")).toSorted()).toEqual(["anchors", "crls"]);
  });
});
