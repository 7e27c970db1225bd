import "reflect-metadata";
import { createHash, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import {
  basicConstraints,
  dnsName,
  EKU,
  extension,
  extKeyUsage,
  KEY_USAGE,
  keyUsage,
  signCertificate,
  subjectAltName,
} from "../certificate-writer.ts";
import { pem } from "../der.ts";
import { makeCa, type TestCa } from "../pki.ts";
import { Refusal } from "./refusal.ts";

const DAY_MS = 24 * 3600 * 1000;
/** Of root and intermediate: a fake clock may run for years. */
const CA_PERIOD = { notBefore: new Date("2000-01-01"), notAfter: new Date("2049-12-31") } as const;

export interface Csr {
  readonly names: readonly string[];
  readonly publicKey: KeyObject;
}

/** Reads a CSR and checks its signature. @throws Refusal (`badCSR`) */
export async function readCsr(base64url: unknown): Promise<Csr> {
  if (typeof base64url !== "string" || !/^[\w-]+$/.test(base64url))
    throw new Refusal("malformed", "csr is not base64url");
  try {
    const request = new Pkcs10CertificateRequest(Buffer.from(base64url, "base64url"));
    const isSigned = await request.verify();
    const names = request.extensions
      .find((each) => each instanceof SubjectAlternativeNameExtension)
      ?.names.toJSON()
      .map(({ type, value }) => (type === "dns" ? value : `${type}:${value}`));
    if (!isSigned || names === undefined) throw new Error("no signature, or no names");
    const spki = Buffer.from(request.publicKey.rawData);
    return { names, publicKey: createPublicKey({ key: spki, format: "der", type: "spki" }) };
  } catch (error) {
    throw new Refusal("badCSR", `the CSR cannot be read: ${String(error)}`);
  }
}

export interface Issued {
  /** Leaf and intermediate. */
  readonly chainPem: string;
  /** Of renewal information (RFC 9773 section 4.1). */
  readonly renewalId: string;
  readonly names: readonly string[];
  readonly spki: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Root and intermediate of the test CA. */
export class Issuing {
  readonly #root: TestCa = makeCa({ name: "Test ACME root", ...CA_PERIOD });
  readonly #intermediate: TestCa = makeCa({
    name: "Test ACME intermediate",
    parent: this.#root,
    ...CA_PERIOD,
  });

  /** As signCertificate writes it. */
  readonly #keyIdentifier = createHash("sha256")
    .update(createPublicKey(this.#intermediate.privateKey).export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20)
    .toString("base64url");

  get rootPem(): string {
    return this.#root.rootPem;
  }

  /** A leaf from an hour before `nowMs`, of whole seconds, by the intermediate. */
  issue(
    { names, publicKey }: Csr,
    { nowMs, lifeMs }: { readonly nowMs: number; readonly lifeMs: number },
  ): Issued {
    const startMs = Math.floor(nowMs / 1000) * 1000;
    const period = { notBefore: new Date(startMs - DAY_MS / 24), notAfter: new Date(startMs + lifeMs) };
    const serial = randomBytes(16);
    // The first bit is set: its INTEGER begins with a zero octet (RFC 9773 section 4.1 counts it).
    serial.writeUInt8(serial.readUInt8(0) | 0x80, 0);
    const der = signCertificate(
      {
        subject: names.find((name) => name.length <= 64) ?? "",
        publicKey,
        serial: BigInt(`0x${serial.toString("hex")}`),
        ...period,
        extensions: [
          basicConstraints(false),
          keyUsage(KEY_USAGE.digitalSignature),
          extKeyUsage(EKU.serverAuth),
          subjectAltName(...names.map(dnsName)),
          // Certificate policies: domain validated.
          extension("2.5.29.32", false, Buffer.from("300a3008060667810c010201", "hex")),
        ],
      },
      this.#intermediate,
    );
    return {
      chainPem: pem("CERTIFICATE", der) + this.#intermediate.certificatePem,
      renewalId: `${this.#keyIdentifier}.${Buffer.concat([Buffer.of(0), serial]).toString("base64url")}`,
      names,
      spki: publicKey.export({ type: "spki", format: "der" }),
      ...period,
    };
  }
}
