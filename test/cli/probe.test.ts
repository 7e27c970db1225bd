import { spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { text } from "node:stream/consumers";
import type { Answer } from "dns-packet";
import { describe, expect, it, onTestFinished } from "vitest";
import { startDnsZone } from "../support/dns-zone.ts";
import { type FakeNextHopOptions, startFakeNextHop } from "../support/fake-next-hop.ts";
import { issueClient, type IssuedCertificate, issueServer, makeCa } from "../support/pki.ts";
import { type MemoryFile, runCli } from "./run-cli.ts";

const HOST = "mx1.example.com";
const MX: Answer = { type: "MX", name: "example.com", data: { preference: 10, exchange: HOST } };
const A: Answer = { type: "A", name: HOST, data: "127.0.0.1" };

/** A mail server that offers TLS with this certificate. */
async function mailServer(certificate: IssuedCertificate, script: FakeNextHopOptions = {}): Promise<number> {
  const server = await startFakeNextHop({
    tls: { key: certificate.privateKeyPem, cert: certificate.bundlePem },
    extensions: ["STARTTLS"],
    extensionsInTls: ["SIZE 1000"],
    ...script,
  });
  onTestFinished(async () => server.close());
  return server.port;
}

const tlsaOf = (certificate: Buffer, port: number, usage: 2 | 3): Answer => ({
  type: "TLSA",
  name: `_${port}._tcp.${HOST}`,
  data: {
    usage,
    selector: 1,
    matchingType: 1,
    certificate: createHash("sha256")
      .update(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))
      .digest(),
  },
});

interface ProbeRun {
  readonly exitCode: number;
  /** `check result` of each step, in order. */
  readonly steps: readonly string[];
  readonly texts: Readonly<Record<string, string>>;
}

function read(exitCode: number, stdout: string): ProbeRun {
  const lines = stdout.split("\n").filter((line) => line !== "");
  const steps = lines.map((line) => JSON.parse(line) as { check: string; result: string; text: string });
  return {
    exitCode,
    steps: steps.map(({ check, result }) => `${check} ${result}`),
    texts: Object.fromEntries(steps.map((step) => [step.check, step.text])),
  };
}

const argvOf = (resolver: string, port: number): readonly string[] => [
  "probe",
  "example.com",
  "--resolver",
  resolver,
  "--port",
  String(port),
  "--json",
];

async function probe(resolver: string, port = 25, fetch?: typeof globalThis.fetch): Promise<ProbeRun> {
  const { exitCode, stdout, stderr } = await runCli(
    argvOf(resolver, port),
    fetch === undefined ? {} : { fetch },
  );
  expect(stderr).toBe("");
  return read(exitCode, stdout);
}

/** As a process, that trusts a CA of the test. */
async function probeTrusting(caPem: string, resolver: string, port: number): Promise<ProbeRun> {
  const directory = mkdtempSync(join(tmpdir(), "postern-probe-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "ca.pem"), caPem);
  const main = join(import.meta.dirname, "../../cli/src/main.ts");
  const env = { PATH: process.env["PATH"], NODE_EXTRA_CA_CERTS: join(directory, "ca.pem") };
  const child = spawn(process.execPath, [main, ...argvOf(resolver, port)], { env });
  const [stdout, [exitCode]] = await Promise.all([
    text(child.stdout),
    once(child, "close") as Promise<[number]>,
  ]);
  return read(exitCode, stdout);
}

/** A server of lines: what it sends first, and after each command. */
async function scripted(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return (server.address() as { port: number }).port;
}

describe("a probe of a server that is right", () => {
  it("passes each step with a certificate of a trusted CA", async () => {
    const ca = makeCa();
    const port = await mailServer(issueServer({ ca, names: [HOST] }));
    const { exitCode, steps } = await probeTrusting(ca.certificatePem, await startDnsZone([MX, A]), port);
    expect({ exitCode, steps }).toEqual({
      exitCode: 0,
      steps: [
        "mx passed",
        "mta-sts noted",
        "address passed",
        "tlsa noted",
        "connect passed",
        "starttls passed",
        "tls passed",
        "name passed",
        "chain passed",
        "expiry passed",
        "rcpt passed",
        "session passed",
        "plaintext noted",
      ],
    });
  });

  it("passes a self-signed certificate that DANE pins, whatever its name and dates", async () => {
    const certificate = issueServer({ names: ["other.example"], notAfter: new Date("2020-01-01") });
    const port = await mailServer(certificate);
    const zone = await startDnsZone([MX, A, tlsaOf(certificate.der, port, 3)], { isValidated: true });
    const { exitCode, steps } = await probe(zone, port);
    expect({ exitCode, failed: steps.filter((step) => step.endsWith("failed")) }).toEqual({
      exitCode: 0,
      failed: [],
    });
    expect(steps).toContain("dane passed");
  });

  it("passes a chain to a CA that DANE pins, under the name of the host", async () => {
    const ca = makeCa();
    const leaf = issueServer({ ca, names: [HOST] });
    const chain = { ...leaf, bundlePem: leaf.certificatePem + ca.certificatePem };
    const port = await mailServer(chain);
    const der = new X509Certificate(ca.certificatePem).raw;
    const zone = await startDnsZone([MX, A, tlsaOf(der, port, 2)], { isValidated: true });
    expect(await probe(zone, port)).toMatchObject({ exitCode: 0 });
    const other = await mailServer({ ...chain, ...issuedFor("mx2.example.com", ca) });
    const zoneOfOther = await startDnsZone([MX, A, tlsaOf(der, other, 2)], { isValidated: true });
    expect((await probe(zoneOfOther, other)).steps).toContain("dane failed");
  });

  const issuedFor = (name: string, ca: ReturnType<typeof makeCa>) => {
    const leaf = issueServer({ ca, names: [name] });
    return { ...leaf, bundlePem: leaf.certificatePem + ca.certificatePem };
  };
});

describe("a probe of DNS", () => {
  it.each([
    ["a null MX", [{ ...MX, data: { preference: 0, exchange: "." } }], "mx failed", /RFC 7505/u],
    ["a domain that does not exist", [], "mx failed", /does not exist/u],
    [
      "a null MX beside another",
      [MX, { ...MX, data: { preference: 0, exchange: "." } }],
      "mx failed",
      /beside/u,
    ],
    ["an MX host without an address", [MX], "address failed", /no address/u],
  ] as const)("fails for %s", async (_, records, step, reason) => {
    const { exitCode, steps, texts } = await probe(await startDnsZone(records as readonly Answer[]));
    expect(exitCode).toBe(1);
    expect(steps.at(-1)).toBe(step);
    expect(texts[step.split(" ")[0] ?? ""]).toMatch(reason);
  });

  it("takes the domain itself where it has no MX record", async () => {
    const { texts } = await probe(await startDnsZone([{ ...A, name: "example.com" }]), 1);
    expect(texts["mx"]).toBe("no MX record: the domain itself, example.com");
    expect(texts["address"]).toBe("127.0.0.1");
  });

  it("asks by TCP where UDP has no room", async () => {
    const { steps } = await probe(await startDnsZone([MX, A], { isTruncated: true }), 1);
    expect(steps.slice(0, 3)).toEqual(["mx passed", "mta-sts noted", "address passed"]);
  });

  it("says that a lookup failed, in place of 'none'", async () => {
    const zone = await startDnsZone([MX, A], { failing: [`_1._tcp.${HOST}`, "_mta-sts.example.com"] });
    const { steps, texts } = await probe(zone, 1);
    expect(steps).toContain("mta-sts failed");
    expect(texts["tlsa"]).toBe("TLSA lookup: SERVFAIL");
  });

  it("does not heed TLSA records that the resolver has not validated", async () => {
    const certificate = issueServer({ names: [HOST] });
    const port = await mailServer(certificate);
    const zone = await startDnsZone([MX, A, tlsaOf(certificate.der, port, 3)]);
    const { exitCode, steps, texts } = await probe(zone, port);
    expect(exitCode).toBe(1);
    expect(texts["tlsa"]).toMatch(/not validated/u);
    expect(steps).toContain("chain failed");
    expect(steps.some((step) => step.startsWith("dane"))).toBe(false);
  });
});

describe("a probe of the certificate", () => {
  it.each([
    ["another name", { names: ["mx2.example.com"] }, "name failed"],
    ["the common name alone", { names: [], subject: HOST }, "name failed"],
    ["a wildcard for two labels", { names: ["*.com"] }, "name failed"],
    ["a date that is over", { names: [HOST], notAfter: new Date("2020-01-01") }, "expiry failed"],
    ["an unknown CA", { names: [HOST] }, "chain failed"],
  ] as const)("fails for %s", async (_, options, step) => {
    const port = await mailServer(issueServer({ ca: makeCa(), ...options }));
    const { exitCode, steps } = await probe(await startDnsZone([MX, A]), port);
    expect(exitCode).toBe(1);
    expect(steps).toContain(step);
  });

  it("fails for a TLSA record of another key", async () => {
    const port = await mailServer(issueServer({ names: [HOST] }));
    const other = issueServer({ names: [HOST], keyType: "rsa-2048" });
    const zone = await startDnsZone([MX, A, tlsaOf(other.der, port, 3)], { isValidated: true });
    expect((await probe(zone, port)).steps).toContain("dane failed");
  });

  it("passes a wildcard for one label", async () => {
    const port = await mailServer(issueServer({ names: ["*.example.com"] }));
    expect((await probe(await startDnsZone([MX, A]), port)).steps).toContain("name passed");
  });
});

describe("a probe of the MTA-STS policy", () => {
  const STS: Answer = { type: "TXT", name: "_mta-sts.example.com", data: "v=STSv1; id=20261129" };
  const policy =
    (lines: string, init: ResponseInit = {}): (() => Promise<Response>) =>
    async () =>
      new Response(lines, { headers: { "content-type": "text/plain" }, ...init });

  const VALID = "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 604800\r\n";

  it("names mode and hosts, and holds each host to it", async () => {
    const port = await mailServer(issueServer({ names: [HOST] }));
    const zone = await startDnsZone([MX, A, STS]);
    const enforced = await probe(zone, port, policy(VALID));
    expect(enforced.texts["mta-sts"]).toBe("mode enforce, for 604800 s: *.example.com");
    expect(enforced.texts["policy"]).toMatch(/certificate is not valid/u);
    const other = await probe(zone, port, policy(VALID.replace("*.example.com", "mx9.example.com")));
    expect(other.texts["policy"]).toMatch(/does not name this host/u);
    const testing = await probe(zone, port, policy(VALID.replace("enforce", "testing")));
    expect(testing.steps).toContain("policy noted");
  });

  it.each([
    ["a page", policy("<html>", { headers: { "content-type": "text/html" } }), /not text\/plain/u],
    ["a redirect", policy("", { status: 301 }), /answers 301/u],
    ["no version", policy(VALID.replace("STSv1", "STSv2")), /version/u],
    ["no mode", policy(VALID.replace("enforce", "strict")), /mode/u],
    ["no host", policy(VALID.replace("mx: *.example.com\r\n", "")), /names no mx/u],
    ["too long an age", policy(VALID.replace("604800", "99999999")), /max_age/u],
    ["too many bytes", policy(`${VALID}${"x".repeat(70_000)}`), /more than 65536 bytes/u],
    ["no answer", () => Promise.reject(new TypeError("fetch failed")), /fetch failed/u],
  ])("fails for %s", async (_, fetch, reason) => {
    const { steps, texts } = await probe(await startDnsZone([MX, STS]), 1, fetch);
    expect(steps).toContain("mta-sts failed");
    expect(texts["mta-sts"]).toMatch(reason);
  });
});

describe("a probe of a server that is wrong", () => {
  it.each([
    ["offers no TLS", { extensions: [] }, "starttls failed"],
    ["rejects STARTTLS", { starttls: "454 4.7.0 no" }, "starttls failed"],
    ["greets with a failure", { greeting: "554 5.3.2 no" }, "connect failed"],
    ["rejects EHLO", { ehlo: "502 5.5.1 no" }, "ehlo failed"],
  ] as const)("fails where it %s", async (_, script, step) => {
    const port = await mailServer(issueServer({ names: [HOST] }), script);
    const { exitCode, steps } = await probe(await startDnsZone([MX, A]), port);
    expect(exitCode).toBe(1);
    expect(steps).toContain(step);
  });

  it("fails where nothing listens, and goes on to the next address", async () => {
    const zone = await startDnsZone([MX, A, { ...A, data: "127.0.0.2" }]);
    const { steps } = await probe(zone, await unusedPort());
    expect(steps.filter((step) => step === "connect failed")).toHaveLength(2);
  });

  it("fails for plaintext that arrives before the handshake", async () => {
    const port = await scripted((socket) => {
      socket.write("220 mx1\r\n");
      socket.on("data", (data) =>
        socket.write(
          String(data).startsWith("EHLO") ? "250-mx1\r\n250 STARTTLS\r\n" : "220 go\r\n250 injected\r\n",
        ),
      );
    });
    const { steps, texts } = await probe(await startDnsZone([MX, A]), port);
    expect(steps).toContain("starttls failed");
    expect(texts["starttls"]).toMatch(/in plaintext/u);
  });

  it.each([
    ["a line without end", "220 ".padEnd(100_000, "x"), /more than 2000 characters/u],
    ["a reply without end", "220-x\r\n".repeat(500), /more than 100 lines/u],
    ["no SMTP", "HTTP/1.1 400 Bad Request\r\n", /no reply of SMTP/u],
  ])("bounds and reports %s", async (_, greeting, reason) => {
    const port = await scripted((socket) => socket.write(greeting));
    const { exitCode, texts } = await probe(await startDnsZone([MX, A]), port);
    expect(exitCode).toBe(1);
    expect(texts["session"]).toMatch(reason);
  });

  it("escapes what a terminal would act on", async () => {
    const port = await scripted((socket) => socket.end("554 \u001b]0;owned\u0007\u009b2J\r\n", "latin1"));
    const argv = argvOf(await startDnsZone([MX, A]), port).filter((word) => word !== "--json");
    const { stdout } = await runCli(argv, { isTerminal: true, env: { NO_COLOR: "1" } });
    expect(stdout).toContain(String.raw`554 \x1b]0;owned\x07\x9b2J`);
    expect([...stdout].filter((character) => character < " " && character !== "\n")).toEqual([]);
  });

  it("ends a server that is silent, by the clock of the command", async () => {
    const port = await scripted(() => undefined);
    const { exitCode, steps, texts } = read(
      ...(await (async () => {
        const run = await runCli(argvOf(await startDnsZone([MX, A]), port), {
          sleep: async (ms, signal) => silentOnly(ms, signal),
        });
        return [run.exitCode, run.stdout] as const;
      })()),
    );
    expect(exitCode).toBe(1);
    expect(steps).toContain("session failed");
    expect(texts["session"]).toBe("no answer within 60 s");
  });
});

/** A clock on which the time of a connection alone is over at once. */
const silentOnly = async (ms: number, signal: AbortSignal): Promise<void> =>
  ms === 60_000
    ? undefined
    : new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

describe("the arguments of a probe", () => {
  it.each([
    [["probe", "-"], /unknown|not the name of a domain/u],
    [["probe", "exa mple.com"], /not the name of a domain/u],
    [["probe", "example.com", "--resolver", "dns.example"], /not an address/u],
    [["probe", "example.com", "--port", "70000"], /--port must be/u],
    [["probe", "example.com", "--connect", "127.0.0.1"], /address:port/u],
  ])("are checked: %j", async (argv, reason) => {
    const { exitCode, stderr } = await runCli(argv);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(reason);
  });

  it("dial another address in place of those of the hosts", async () => {
    const port = await mailServer(issueServer({ names: [HOST] }));
    const zone = await startDnsZone([MX]);
    const argv = ["probe", "example.com", "--resolver", zone, "--connect", `127.0.0.1:${port}`, "--json"];
    const { exitCode, stdout } = await runCli(argv);
    expect(read(exitCode, stdout).steps).toContain("name passed");
  });
});

describe("a probe before DNS is published", () => {
  const argvTo = (port: number, ...more: readonly string[]): readonly string[] => [
    "probe",
    "example.com",
    "--connect",
    `127.0.0.1:${port}`,
    ...more,
  ];

  it.each([
    ["the domain does not exist", [], {}, /does not exist; 127\.0\.0\.1 is dialled as example\.com/u],
    ["the look-up fails", [], { failing: ["example.com"] }, /MX lookup: SERVFAIL; 127/u],
    ["the domain takes no mail", [{ ...MX, data: { preference: 0, exchange: "." } }], {}, /RFC 7505/u],
  ] as const)("dials the address that is given where %s", async (_, records, options, reason) => {
    const port = await mailServer(issueServer({ names: ["example.com"] }));
    const zone = await startDnsZone(records, options);
    const { exitCode, stdout } = await runCli(argvTo(port, "--resolver", zone, "--json"));
    const { steps, texts } = read(exitCode, stdout);
    expect({ exitCode, mx: steps[0] }).toEqual({ exitCode: 1, mx: "mx failed" });
    expect(texts["mx"]).toMatch(reason);
    expect(steps).toEqual(expect.arrayContaining(["starttls passed", "name passed", "rcpt passed"]));
    const { stdout: shown } = await runCli(argvTo(port, "--resolver", zone));
    expect(shown).toMatch(/\nhint: before DNS is published: --mx <host> /u);
  });

  it("names the options for it where there is none of them", async () => {
    const { stdout } = await runCli(["probe", "example.com", "--resolver", await startDnsZone([])]);
    expect(stdout).toMatch(
      /^failed {2}mx +the domain does not exist\n1 step has failed\nhint: .+--mx .+--connect/u,
    );
  });

  it("holds the server to the name that --mx gives, without a look-up of MX records", async () => {
    const certificate = issueServer({ names: [HOST] });
    const port = await mailServer(certificate);
    const tlsa = tlsaOf(certificate.der, 25, 3);
    const zone = await startDnsZone([tlsa], { isValidated: true, failing: ["example.com"] });
    const argv = argvTo(port, "--mx", "MX1.example.com.", "--resolver", zone, "--json");
    const { exitCode, stdout } = await runCli(argv);
    const { steps, texts } = read(exitCode, stdout);
    expect({ exitCode, mx: texts["mx"] }).toEqual({ exitCode: 0, mx: `${HOST}, named by --mx` });
    expect(steps).toEqual(expect.arrayContaining(["mx noted", "name passed", "dane passed"]));
    const other = await runCli(argvTo(port, "--mx", "mx2.example.com", "--resolver", zone, "--json"));
    expect(read(other.exitCode, other.stdout).steps).toContain("name failed");
  });
});

describe("a probe of the recipient", () => {
  const REFUSED = "550 5.7.1 client certificate required";
  const client = issueClient({ names: ["sender.example"] });
  const other = issueClient({ names: ["other.example"], keyType: "rsa-2048" });
  const files = new Map<string, MemoryFile>([
    ["client.pem", { text: client.certificatePem, mode: 0o600 }],
    ["client.key", { text: client.privateKeyPem, mode: 0o600 }],
    ["both.pem", { text: client.certificatePem + client.privateKeyPem, mode: 0o600 }],
    ["other.key", { text: other.privateKeyPem, mode: 0o600 }],
  ]);

  /** A server whose own certificate DANE makes right. */
  async function probed(script: FakeNextHopOptions, options: readonly string[] = []): Promise<ProbeRun> {
    const certificate = issueServer({ names: [HOST] });
    const port = await mailServer(certificate, script);
    const zone = await startDnsZone([MX, A, tlsaOf(certificate.der, port, 3)], { isValidated: true });
    const { exitCode, stdout } = await runCli([...argvOf(zone, port), ...options], { files });
    return read(exitCode, stdout);
  }

  it.each([
    ["refuses it", { rcpt: REFUSED }, `refused: ${REFUSED}`],
    ["defers it", { rcpt: "450 4.7.1 later" }, "deferred: 450 4.7.1 later"],
    ["refuses the sender", { mail: "550 5.7.1 no" }, "refused: 550 5.7.1 no"],
  ] as const)("fails where the server %s in TLS", async (_, script, shown) => {
    const { exitCode, steps, texts } = await probed(script);
    expect({ exitCode, rcpt: texts["rcpt"] }).toEqual({ exitCode: 1, rcpt: shown });
    expect(steps.filter((step) => step.endsWith("failed"))).toEqual(["rcpt failed"]);
    expect(steps.some((step) => step.startsWith("no-cert"))).toBe(false);
  });

  /** A server that requires a client certificate. */
  const requiring: FakeNextHopOptions = {
    requestsCertificate: true,
    rcpt: () => (socket) => {
      const subject = socket instanceof TLSSocket ? socket.getPeerCertificate().subject : undefined;
      socket.write(subject === undefined ? `${REFUSED}\r\n` : `250 2.1.5 ${String(subject.CN)}\r\n`);
    },
  };

  it.each([
    [["--client-certificate", "client.pem", "--client-key", "client.key"]],
    [["--client-certificate", "both.pem"]],
  ])("tries it with the client certificate, and notes the reply without it: %j", async (options) => {
    const { exitCode, steps, texts } = await probed(requiring, options);
    expect({ exitCode, rcpt: texts["rcpt"], bare: texts["no-cert"] }).toEqual({
      exitCode: 0,
      rcpt: "accepted: 250 2.1.5 sender.example",
      bare: `refused: ${REFUSED}`,
    });
    expect(steps).toEqual(expect.arrayContaining(["rcpt passed", "no-cert noted"]));
  });

  it("notes a server that ends the connection of a client without certificate", async () => {
    const script: FakeNextHopOptions = {
      requestsCertificate: true,
      rcpt: () => (socket) => {
        if (socket instanceof TLSSocket && socket.getPeerCertificate().subject === undefined)
          socket.destroy();
        else socket.write("250 2.1.5 ok\r\n");
      },
    };
    const { exitCode, texts } = await probed(script, ["--client-certificate", "both.pem"]);
    expect({ exitCode, bare: texts["no-cert"] }).toEqual({
      exitCode: 0,
      bare: "refused: the server closed the connection",
    });
  });

  it("fails without the certificate that the server requires", async () => {
    expect(await probed(requiring)).toMatchObject({ exitCode: 1, texts: { rcpt: `refused: ${REFUSED}` } });
  });

  it.each([
    [["--client-key", "client.key"], /--client-key is without its certificate\nhint: /u],
    [["--client-certificate", "client.pem"], /client\.pem: not a certificate and its key/u],
    [
      ["--client-certificate", "client.pem", "--client-key", "other.key"],
      /client\.pem and other\.key: not a certificate and its key/u,
    ],
    [["--client-certificate", "absent.pem"], /absent\.pem: not found/u],
  ])("checks the files before it dials: %j", async (options, reason) => {
    const { exitCode, stdout, stderr } = await runCli(["probe", "example.com", ...options], { files });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(reason);
    expect(stderr).not.toContain("BEGIN");
  });

  it("sends no message", async () => {
    const script = { tls: { key: client.privateKeyPem, cert: client.certificatePem } };
    const secure = await startFakeNextHop({ ...script, extensions: ["STARTTLS"] });
    onTestFinished(async () => secure.close());
    const zone = await startDnsZone([MX, A]);
    await runCli([...argvOf(zone, secure.port), "--client-certificate", "both.pem"], { files });
    expect(secure.commands.filter((line) => line.startsWith("RCPT"))).toHaveLength(3);
    expect(secure.commands.filter((line) => line.startsWith("DATA"))).toEqual([]);
  });
});
