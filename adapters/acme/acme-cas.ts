import { readFileSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { Unavailable } from "../../core/errors.ts";
import { WrongEnvironment } from "../../core/environment.ts";
import type { AcmeCas } from "../../core/management/acme-ca.ts";
import { type AcmeDirectorySetting, parseEabHmacKey } from "../../core/management/acme-directories.ts";
import { AcmeClient } from "./acme-client.ts";
import { AcmeConnection } from "./acme-connection.ts";
import { certificatesOf } from "./certificate-pem.ts";
import { httpsExchange } from "./https-exchange.ts";

/** The longest that a CA may take for one call: an issuance within the request takes seconds. */
const DEADLINE_MS = 20_000;

export interface AcmeCasOptions {
  readonly directories: readonly AcmeDirectorySetting[];
  /** HMAC key of a directory's external account binding; null = not stored. @throws Unavailable */
  readonly readEabKey: (name: string) => Promise<Uint8Array | null>;
  readonly clock: Clock;
  /** For the CAs' logs (RFC 8555 section 6.1); null = not known. */
  readonly release: string | null;
  readonly deadlineMs?: number;
}

/**
 * The CAs of the deployment. Makes no request.
 *
 * @throws WrongEnvironment when a `caFile` cannot be read or holds no certificate.
 */
export function createAcmeCas(options: AcmeCasOptions): AcmeCas {
  const { directories, readEabKey, clock, release, deadlineMs = DEADLINE_MS } = options;
  const userAgent = release === null ? "Postern" : `Postern/${release}`;
  const cas = new Map(
    directories.map(({ name, url, contact, eabKeyId, caFile }) => {
      const who = `the CA ${name}`;
      const exchange = httpsExchange(who, caFile === null ? null : readCaFile(name, caFile));
      const connection = new AcmeConnection({
        who,
        directoryUrl: url,
        exchange,
        clock,
        userAgent,
        deadlineMs,
      });
      const externalAccount =
        eabKeyId === null ? null : { keyId: eabKeyId, readHmacKey: () => readEabKey(name) };
      return [name, new AcmeClient({ who, connection, clock, contact, externalAccount })] as const;
    }),
  );
  return { names: [...cas.keys()], ca: (name) => cas.get(name) ?? null };
}

/**
 * HMAC keys that lie in a store of secrets, each read when an account is made.
 *
 * @param secretOf name of the directory → name of its secret.
 */
export function eabKeysIn(
  secrets: { read(name: string): Promise<string | null> },
  secretOf: Readonly<Record<string, string>>,
): AcmeCasOptions["readEabKey"] {
  const names = new Map(Object.entries(secretOf));
  return async (directory) => {
    const name = names.get(directory);
    const text = name === undefined ? null : await secrets.read(name);
    const key = text === null ? null : parseEabHmacKey(text.trim());
    if (key === undefined) throw new Unavailable(`${String(name)} holds no HMAC key in base64url`);
    return key;
  };
}

function readCaFile(name: string, path: string): string {
  const wrong = (reason: string): WrongEnvironment =>
    new WrongEnvironment([{ variable: "ACME_DIRECTORIES", reason: `${name}.caFile ${reason}` }]);
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    throw wrong("cannot be read");
  }
  const certificates = certificatesOf(text);
  if (certificates === null) throw wrong("must be a PEM file of certificates alone");
  return certificates;
}
