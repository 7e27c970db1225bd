import { createHash, X509Certificate } from "node:crypto";

/** One block of a PEM text. */
export interface PemBlock {
  readonly pem: string;
  readonly der: Buffer;
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string;
}

type Label = "CERTIFICATE" | "X509 CRL";

/** Blocks of one kind, each once, in their order. */
export function pemBlocks(text: string, label: Label): readonly PemBlock[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, "gu");
  const blocks = [...text.matchAll(pattern)].map(([, base64 = ""]) => {
    const der = Buffer.from(base64, "base64");
    const lines = der.toString("base64").replaceAll(/.{64}(?=.)/gu, "$&\n");
    const pem = `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
    return { pem, der, sha256: createHash("sha256").update(der).digest("hex") };
  });
  return [...new Map(blocks.map((block) => [block.sha256, block])).values()];
}

/** The private keys of a text, as they stand; empty = none. */
export const privateKeysOf = (text: string): string =>
  [...text.matchAll(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]*-----END \1-----/gu)]
    .map(([block]) => `${block}\n`)
    .join("");

export const pemText = (blocks: readonly PemBlock[]): string => blocks.map(({ pem }) => pem).join("");

/** Certificates of an upload as the API would serve them. */
export interface Uploaded {
  readonly all: ReadonlySet<string>;
  readonly leaves: readonly string[];
  /** Leaves and the intermediates that they need, without roots. */
  readonly needed: readonly string[];
}

/** @throws when a block is no certificate */
export function uploaded(blocks: readonly PemBlock[]): Uploaded {
  const parsed = blocks.map(({ der, sha256 }) => ({ certificate: new X509Certificate(der), sha256 }));
  const ends = parsed.filter(({ certificate }) => !certificate.ca);
  const leaves = ends.length === 0 ? parsed.slice(0, 1) : ends;
  const needed = new Map(leaves.map((leaf) => [leaf.sha256, leaf]));
  for (const { certificate } of needed.values())
    for (const each of parsed) {
      const isRoot = each.certificate.checkIssued(each.certificate);
      if (!isRoot && certificate.checkIssued(each.certificate)) needed.set(each.sha256, each);
    }
  return {
    all: new Set(parsed.map(({ sha256 }) => sha256)),
    leaves: leaves.map(({ sha256 }) => sha256),
    needed: [...needed.keys()],
  };
}
