/**
 * Uploads with damage of every kind: each is taken, or refused with a reason, and none is an internal error.
 */

import { describe, expect, it } from "vitest";
import { pem } from "../../test/support/der.ts";
import { outcomeOf } from "../../test/support/outcome.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import {
  certificateBag,
  encryptedContent,
  falseMac,
  falsePbmac1,
  keyBag,
  nestedBag,
  pbes2,
  pfx,
  pkcs12Pbe,
} from "../../test/support/pkcs12-writer.ts";
import { fuzz, type SeededRandom } from "../../test/support/seeded-random.ts";
import { parsePemBundle, type PemBundle } from "./pem-bundle.ts";
import { parsePkcs12 } from "./pkcs12.ts";

const ROUNDS = 300;
const FILE = "core/x509/upload-fuzz.test.ts";
const context = { nowMs: Date.now(), pause: () => Promise.resolve() };
const ca = makeCa({ name: "Issuing CA", parent: makeCa() });
const servers = [
  issueServer({ names: ["mx.example"], ca }),
  issueServer({ names: ["mx.example"], ca, keyType: "rsa-2048" }),
];
const keys = servers.map(({ privateKey }) => privateKey.export({ type: "pkcs8", format: "der" }));
const bags = [...keys.map(keyBag), ...servers.map(({ der }) => certificateBag(der)), certificateBag(ca.der)];
/** Files that are little more than their MAC or encryption. */
const protectedFiles = [
  ...[falseMac(1), falsePbmac1({})].map((macData) => pfx({ macData })),
  ...[pbes2(1), pkcs12Pbe(3, 1), pkcs12Pbe(6, 1)].map((algorithm) =>
    pfx({ contents: [encryptedContent(algorithm)] }),
  ),
];
const files = [
  pfx({ bags }),
  pfx({ bags: bags.slice(0, 1) }),
  pfx({ bags: [nestedBag(nestedBag(...bags))] }),
  ...protectedFiles,
];

/** Octets that mean something in DER: ends of numbers, indefinite and long lengths, and tags. */
const TELLING = [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x02, 0x04, 0x05, 0x06, 0x24, 0x30, 0xa0];

/** The bytes with one to three faults: octets changed, cut out, or put in twice. */
function damaged(random: SeededRandom, whole: Buffer): Buffer {
  let bytes = Buffer.from(whole);
  for (let faults = 1 + random.below(3); faults > 0; faults -= 1) {
    // Half of them near an end, where the outer structure and the MAC lie.
    const edge = Math.min(bytes.length, 90);
    const near = random.pick([random.below(edge), bytes.length - 1 - random.below(edge)]);
    const at = random.below(2) === 0 ? near : random.below(bytes.length);
    const end = at + 1 + random.below(12);
    switch (random.below(4)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        bytes[at] = random.below(2) === 0 ? random.pick(TELLING) : random.below(256);
    }
  }
  return bytes;
}

/** As `outcomeOf`, in one text. @throws an error that would be an answer 500 */
async function outcome(parse: () => unknown): Promise<string> {
  const failures: unknown[] = [];
  await Promise.resolve()
    .then(parse)
    .catch((error: unknown) => failures.push(error));
  const issues = outcomeOf(() => {
    for (const failure of failures) throw failure;
  });
  return String(issues);
}

describe("an upload with faults in it", () => {
  it("in PKCS #12 is taken, or refused with a reason", async () => {
    const seen = new Set<string>();
    await fuzz(FILE, ROUNDS, async (random) => {
      const pkcs12 = damaged(random, random.pick(files)).toString("base64");
      const passphrase = random.pick(["", "a passphrase"]);
      seen.add(await outcome(() => parsePkcs12({ pkcs12, passphrase }, context)));
    });
    expect(seen).toContain("InvalidInput /pkcs12 unreadable-file");
  });

  it("in PKCS #12 is taken, or refused with a reason, whichever octet it is", async () => {
    const seen = new Set<string>();
    for (const file of protectedFiles)
      for (const at of file.keys())
        for (const octet of [0, 1, 0x7f, 0x80, 0xff]) {
          const pkcs12 = Buffer.from(file)
            .fill(octet, at, at + 1)
            .toString("base64");
          seen.add(await outcome(() => parsePkcs12({ pkcs12 }, context)));
        }
    expect(seen).toContain("InvalidInput /pkcs12 unreadable-file");
  });

  it("in PEM is taken, or refused with a reason", async () => {
    const seen = new Set<string>();
    await fuzz(FILE, ROUNDS, async (random) => {
      const at = random.below(servers.length);
      const [server, key] = [servers[at], keys[at]];
      if (server === undefined || key === undefined) throw new RangeError("no such server");
      const encrypted = server.privateKey.export({
        type: "pkcs8",
        format: "der",
        cipher: "aes-256-cbc",
        passphrase: "a passphrase",
      });
      const whole: PemBundle & Record<"certificatePem" | "chainPem" | "privateKeyPem", string> = {
        certificatePem: server.certificatePem,
        chainPem: server.chainPem,
        privateKeyPem: server.privateKeyPem,
        privateKeyPassphrase: random.below(2) === 0 ? "a passphrase" : undefined,
      };
      const change = random.pick<() => Partial<PemBundle>>([
        () => ({ certificatePem: pem("CERTIFICATE", damaged(random, server.der)) }),
        () => ({ certificatePem: pem("TRUSTED CERTIFICATE", damaged(random, server.der)) }),
        () => ({ chainPem: pem("CERTIFICATE", damaged(random, ca.der)) }),
        () => ({ privateKeyPem: pem("PRIVATE KEY", damaged(random, key)) }),
        () => ({ privateKeyPem: pem("ENCRYPTED PRIVATE KEY", damaged(random, encrypted)) }),
        () => ({ certificatePem: damaged(random, Buffer.from(whole.certificatePem)).toString("latin1") }),
        () => ({ privateKeyPem: damaged(random, Buffer.from(whole.privateKeyPem)).toString("latin1") }),
      ])();
      seen.add(await outcome(() => parsePemBundle({ ...whole, ...change }, context)));
    });
    expect(seen).toContain("InvalidInput /privateKeyPem unreadable-key");
  });
});
