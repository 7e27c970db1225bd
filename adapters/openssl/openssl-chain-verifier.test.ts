import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readCertificateFields } from "../../core/x509/certificate-fields.ts";
import type { ChainQuestion, ChainVerdict } from "../../core/policy/chain-verifier.ts";
import { trustOf } from "../../test/support/client-certificates/kind.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueClient, makeCa } from "../../test/support/pki.ts";
import type { CommandResult, RunCommand } from "./command.ts";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
  type OpenSslVerifierOptions,
} from "./openssl-chain-verifier.ts";

const MINUTE_MS = 60_000;
/** Where the clock of each test begins: certificates are dated from here, however late a test runs. */
const STARTED_MS = Date.now();
const minutesOn = (minutes: number): Date => new Date(STARTED_MS + minutes * MINUTE_MS);
const root = makeCa();
const intermediate = makeCa({ parent: root });
const leaf = issueClient({ names: ["client.example"], ca: intermediate });
const trust = trustOf([root.rootPem]);
const client = "192.0.2.1";
const question: ChainQuestion = { chain: leaf.chain, trust, client };
/** Another chain each time: never cached. */
const fresh = (asking = client): ChainQuestion => ({
  chain: issueClient({ names: ["client.example"], ca: intermediate }).chain,
  trust,
  client: asking,
});

const leafPath = (args: readonly string[]): string => args.at(-1) ?? "";
const okFor = (args: readonly string[]): CommandResult => ({
  kind: "exited",
  code: 0,
  stdout: `${leafPath(args)}: OK\n`,
  stderr: "",
});
const finding = (text: string): CommandResult => ({
  kind: "exited",
  code: 2,
  stdout: "",
  stderr: `CN = x\n${text}\n`,
});
const VERSION: CommandResult = { kind: "exited", code: 0, stdout: "OpenSSL 3.0.19\n", stderr: "" };

describe("the openssl chain verifier", () => {
  let temporaryDirectory: string;
  let verifier: OpenSslChainVerifier;
  let nowMs: number;
  /** Arguments of every verification that was run. */
  let runs: (readonly string[])[];
  let answer: (args: readonly string[]) => CommandResult | Promise<CommandResult>;

  const create = async (options: Partial<OpenSslVerifierOptions> = {}): Promise<void> => {
    const run: RunCommand = async (_command, args) => {
      if (args[0] === "version") return VERSION;
      runs.push(args);
      return answer(args);
    };
    const clock = { now: () => nowMs };
    verifier = await createOpenSslChainVerifier({
      clock,
      maxPerClientPerMinute: 10,
      run,
      temporaryDirectory,
      ...options,
    });
  };
  const ask = (asked: ChainQuestion = question): Promise<ChainVerdict> => verifier.verify(asked);
  const privateDirectory = async (): Promise<string> =>
    join(temporaryDirectory, (await readdir(temporaryDirectory))[0] ?? "");

  beforeEach(async () => {
    temporaryDirectory = await mkdtemp(join(tmpdir(), "postern-test-"));
    nowMs = STARTED_MS;
    runs = [];
    answer = okFor;
    await create();
  });
  afterEach(async () => {
    await verifier.close();
    await rm(temporaryDirectory, { recursive: true, force: true });
  });

  it("asks for clients, and for servers only when the purpose alone was wrong", async () => {
    expect(await ask()).toEqual({
      kind: "judged",
      valid: true,
      clientAuth: true,
      serverAuth: false,
      detail: null,
    });
    expect(runs.map((args) => args[args.indexOf("-purpose") + 1])).toEqual(["sslclient"]);
    answer = (args) => (args.includes("sslclient") ? finding("error 26 at 0 depth lookup: no") : okFor(args));
    expect(await ask(fresh())).toMatchObject({ valid: true, clientAuth: false, serverAuth: true });
    expect(runs.map((args) => args[args.indexOf("-purpose") + 1])).toEqual([
      "sslclient",
      "sslclient",
      "sslserver",
    ]);
  });

  it("shows openssl the leaf alone, what came after it, the anchors and the CRLs, in separate files", async () => {
    const crls = [makeCrl({ ca: root }), makeCrl({ ca: intermediate })];
    const files: Record<string, string> = {};
    const modes: number[] = [];
    answer = async (args) => {
      for (const flag of ["-trusted", "-untrusted", "-CRLfile"]) {
        files[flag] = await readFile(args[args.indexOf(flag) + 1] ?? "", "utf8");
      }
      files["leaf"] = await readFile(leafPath(args), "utf8");
      const directory = await privateDirectory();
      for (const name of ["", ...(await readdir(directory))])
        modes.push((await stat(join(directory, name))).mode & 0o777);
      return okFor(args);
    };
    await ask({ ...question, trust: trustOf([root.rootPem], crls) });
    expect(files).toEqual({
      "-trusted": root.rootPem,
      "-untrusted": intermediate.certificatePem,
      "-CRLfile": crls.join("\n"),
      leaf: leaf.certificatePem,
    });
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600, 0o600]);
  });

  it("leaves no chain behind, and no directory when it is closed", async () => {
    await ask();
    expect((await readdir(await privateDirectory())).filter((name) => !name.startsWith("anchors"))).toEqual(
      [],
    );
    await verifier.close();
    expect(await readdir(temporaryDirectory)).toEqual([]);
    expect((await ask()).kind).toBe("not-judged");
  });

  it("waits for a run in progress when it is closed", async () => {
    const gate = Promise.withResolvers<undefined>();
    answer = async (args) => {
      await gate.promise;
      return okFor(args);
    };
    const asked = ask();
    const closed = verifier.close();
    gate.resolve(undefined);
    expect(await asked).toMatchObject({ kind: "judged", valid: true });
    await closed;
    expect(await readdir(temporaryDirectory)).toEqual([]);
  });

  it("keeps the files of a trust for the next chain, and of a bounded number of trusts", async () => {
    await create({ bounds: { trusts: 2 } });
    const trusts = [1, 2, 3, 4].map(() => trustOf([root.rootPem, makeCa().rootPem]));
    for (const each of [...trusts, ...trusts.slice(-2)]) await ask({ ...fresh(), trust: each });
    const anchors = runs.map((args) => args[args.indexOf("-trusted") + 1]);
    expect(new Set(anchors).size).toBe(4);
    expect(anchors.slice(4)).toEqual(anchors.slice(2, 4));
    await expect.poll(async () => (await readdir(join(anchors[0] ?? "", ".."))).length).toBe(2);
  });

  describe("answers without a run", () => {
    it.each<[string, () => ChainQuestion]>([
      ["an empty trust", () => ({ ...question, trust: trustOf([]) })],
      ["an issuer that is not trusted", () => ({ ...question, trust: trustOf([makeCa().rootPem]) })],
      ["no certificate", () => ({ ...question, chain: [] })],
      ["a leaf that cannot be read", () => ({ ...question, chain: [Buffer.from("x"), ...leaf.chain] })],
      [
        "a leaf with bytes after its end",
        () => ({ ...question, chain: [Buffer.concat([leaf.der, Buffer.from([0])])] }),
      ],
    ])("that no certificate is trusted with %s", async (_case, asked) => {
      for (let times = 0; times < 20; times += 1)
        expect(await ask(asked())).toMatchObject({ kind: "judged", valid: false });
      expect(runs).toEqual([]);
      expect(await ask()).toMatchObject({ valid: true });
    });

    it("not when an anchor is named in another case, or is the leaf, or issued something further up", async () => {
      const shouting = makeCa({ name: "ROOT  CA" });
      const named = issueClient({ names: ["a.example"], ca: { ...shouting, subject: "root ca" } });
      await ask({ ...question, chain: named.chain, trust: trustOf([shouting.rootPem]) });
      await ask({ ...question, chain: [leaf.der], trust: trustOf([leaf.certificatePem]) });
      await ask({ ...question, chain: [leaf.der, intermediate.der, makeCa().der] });
      expect(runs).toHaveLength(3);
    });
  });

  describe("keeps a verdict", () => {
    it("for five minutes, for this chain under this trust", async () => {
      await ask();
      nowMs += 5 * MINUTE_MS - 1;
      await ask({ ...question, client: "another client" });
      expect(runs).toHaveLength(1);
      await ask({ ...question, trust: trustOf([root.rootPem, makeCa().rootPem]) });
      await ask({ ...question, chain: [...leaf.chain, root.der] });
      expect(runs).toHaveLength(3);
      nowMs += 1;
      await ask();
      expect(runs).toHaveLength(4);
    });

    it("whether it is good or bad", async () => {
      answer = () => finding("error 23 at 0 depth lookup: certificate revoked");
      for (let times = 0; times < 3; times += 1) {
        expect(await ask()).toMatchObject({ valid: false, detail: "certificate revoked at depth 0" });
      }
      expect(runs).toHaveLength(1);
    });

    it.each([
      ["the leaf expires", { notAfter: minutesOn(3) }, []],
      ["the leaf becomes valid", { notBefore: minutesOn(3) }, []],
      ["a CRL becomes stale", {}, [makeCrl({ ca: intermediate, nextUpdate: minutesOn(3) })]],
    ])("not past the moment when %s", async (_case, dates, crls) => {
      const soon = issueClient({ names: ["a.example"], ca: intermediate, ...dates });
      const asked = { ...question, chain: soon.chain, trust: trustOf([root.rootPem], crls) };
      await ask(asked);
      nowMs += 2 * MINUTE_MS;
      await ask(asked);
      expect(runs).toHaveLength(1);
      nowMs += 2 * MINUTE_MS;
      await ask(asked);
      expect(runs).toHaveLength(2);
    });

    it("to the last second of the leaf", async () => {
      const { notAfter } = readCertificateFields(leaf.der);
      nowMs = notAfter - 1000;
      await ask();
      nowMs = notAfter + 999;
      await ask();
      expect(runs).toHaveLength(1);
      nowMs = notAfter + 1000;
      await ask();
      expect(runs).toHaveLength(2);
    });

    it("not when the clock is set back", async () => {
      await ask();
      nowMs -= 1;
      await ask();
      expect(runs).toHaveLength(2);
    });

    it("only among a bounded number, the longest unused dropped first", async () => {
      await create({ bounds: { verdicts: 2 } });
      const [first, second, third] = [fresh(), fresh(), fresh()];
      for (const each of [first, second, first, third, first]) await ask(each);
      expect(runs).toHaveLength(3);
      await ask(second);
      expect(runs).toHaveLength(4);
    });

    it("not when there was none: a failed run is tried again", async () => {
      answer = () => ({ kind: "failed", why: "openssl was ended by SIGKILL" });
      expect(await ask()).toEqual({ kind: "not-judged", why: "openssl was ended by SIGKILL" });
      answer = okFor;
      expect(await ask()).toMatchObject({ kind: "judged", valid: true });
    });
  });

  describe("bounds its work", () => {
    it("to ten verifications a minute for each client, cached ones not counted", async () => {
      for (let times = 0; times < 10; times += 1) expect((await ask(fresh())).kind).toBe("judged");
      const [another, cached] = [fresh("2001:db8::/64"), question];
      expect(await ask(fresh())).toMatchObject({ kind: "not-judged", tooMany: true });
      expect((await ask(another)).kind).toBe("judged");
      expect((await ask({ ...another, client })).kind).toBe("judged");
      nowMs += MINUTE_MS - 1;
      expect((await ask(cached)).kind).toBe("not-judged");
      nowMs += 1;
      expect((await ask(cached)).kind).toBe("judged");
    });

    it("to two at a time, and one for the same question", async () => {
      let [active, most] = [0, 0];
      const together = Promise.withResolvers<undefined>();
      answer = async (args) => {
        active += 1;
        most = Math.max(most, active);
        await together.promise;
        active -= 1;
        return okFor(args);
      };
      const same = fresh();
      const asked = [same, fresh(), same, fresh(), fresh(), same].map((each) => ask(each));
      await expect.poll(() => active).toBe(2);
      together.resolve(undefined);
      expect((await Promise.all(asked)).every((verdict) => verdict.kind === "judged")).toBe(true);
      expect([most, runs.length]).toEqual([2, 4]);
    });

    it("to a queue, and to a time in it", async () => {
      await create({ bounds: { concurrent: 1, queueLength: 1, queueWaitMs: 20 } });
      const gate = Promise.withResolvers<undefined>();
      answer = async (args) => {
        await gate.promise;
        return okFor(args);
      };
      const running = ask(fresh());
      const waiting = ask(fresh());
      expect(await ask(fresh())).toMatchObject({ kind: "not-judged" });
      expect(await waiting).toMatchObject({ kind: "not-judged" });
      gate.resolve(undefined);
      expect(await running).toMatchObject({ kind: "judged" });
      expect(await ask(fresh())).toMatchObject({ kind: "judged" });
      expect(runs).toHaveLength(2);
    });

    it("to two seconds for a run", async () => {
      const limits: unknown[] = [];
      const run: RunCommand = async (_command, args, given) => {
        if (args[0] === "version") return VERSION;
        limits.push(given);
        return okFor(args);
      };
      await create({ run });
      await ask();
      expect(limits).toEqual([{ timeoutMs: 2_000, maxOutputBytes: 65_536 }]);
    });
  });

  it("goes on in a new directory when the old one was removed", async () => {
    await ask();
    const before = await privateDirectory();
    await rm(before, { recursive: true });
    expect((await ask(fresh())).kind).toBe("not-judged");
    expect(await ask(fresh())).toMatchObject({ kind: "judged", valid: true });
    expect(await privateDirectory()).not.toBe(before);
  });

  it("writes the files of a trust again when they were removed", async () => {
    answer = async (args) => {
      const anchors = await readFile(args[args.indexOf("-trusted") + 1] ?? "").catch(() => null);
      return anchors === null ? { ...VERSION, code: 1, stdout: "" } : okFor(args);
    };
    await ask();
    await rm(runs[0]?.[runs[0].indexOf("-trusted") + 1] ?? "");
    expect((await ask(fresh())).kind).toBe("not-judged");
    expect(await ask(fresh())).toMatchObject({ kind: "judged", valid: true });
  });

  it("judges nothing when openssl is not there, too old, or has no place for its files", async () => {
    const clock = { now: () => nowMs };
    const without = [
      { command: "/nowhere/openssl" },
      { run: () => Promise.resolve({ ...VERSION, stdout: "OpenSSL 1.1.1w\n" }) },
      { temporaryDirectory: "/nowhere", run: () => Promise.resolve(VERSION) },
    ];
    for (const options of without) {
      const verifierWithout = await createOpenSslChainVerifier({
        clock,
        maxPerClientPerMinute: 10,
        ...options,
      });
      expect(verifierWithout.available).toBe(false);
      expect(verifierWithout.problem).not.toBeNull();
      expect(await verifierWithout.verify(question)).toMatchObject({ kind: "not-judged" });
      await verifierWithout.close();
    }
  });

  it("judges nothing under a trust that could not be loaded", async () => {
    expect((await ask({ ...question, trust: { ...trust, unusable: true } })).kind).toBe("not-judged");
    expect(runs).toEqual([]);
  });
});
