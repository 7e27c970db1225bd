import { chmodSync } from "node:fs";
import { validity } from "../core/certificate/certificate.ts";
import type { CertificateMaterial } from "../core/certificate/key-vault.ts";
import { parsePemBundle } from "../core/certificate/pem-bundle.ts";
import { isCertificateLabel, isPrivateKeyLabel, readPem } from "../core/certificate/pem.ts";
import type { NewCertificate } from "../core/certificate/serving-material.ts";
import type { DomainName } from "../core/domain-name/domain-name.ts";
import { InvalidInput, RuleViolation } from "../core/errors.ts";
import { codeOf, readIfThere, writeDurably } from "./durable-file.ts";
import { makeOwnCertificate } from "../worker/own-certificate.ts";
import { StartFailure } from "../worker/start-failure.ts";

/** The edge's own certificate: what is served where the settings name none. Secret: `material`. */
export interface DefaultCertificate {
  readonly material: CertificateMaterial;
  /** dNSNames on it, wildcards as `*.x`: they belong to the operator. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
  /** True when it was made by this call. */
  readonly isNew: boolean;
}

export interface DefaultCertificateOptions {
  /** Holds key and certificate together, so that at no moment one belongs to another. */
  readonly path: string;
  readonly name: DomainName;
  readonly nowMs: number;
}

/** First line of a file that is ours to renew. A file without it is the operator's own and is never replaced. */
const MADE_HERE =
  "# Made by Postern, which renews it. Replace the whole file, this line too, to serve your own.";
const DAY_MS = 24 * 3600 * 1000;
const RENEW_BEFORE_MS = 30 * DAY_MS;

/**
 * The default certificate kept in a file; a new one, self-signed, where there is none or where the one made here is for
 * another name or ends within 30 days.
 *
 * @throws StartFailure when the file is there and cannot be served; it says what to do.
 */
export async function obtainDefaultCertificate(
  options: DefaultCertificateOptions,
): Promise<DefaultCertificate> {
  const { path, name, nowMs } = options;
  try {
    const text = readIfThere(path);
    if (text === null || mustRenew(text, options)) return await make(options);
    const kept = parse(text, nowMs);
    chmodSync(path, 0o600);
    return { ...described(kept), isNew: false };
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    const reason =
      error instanceof InvalidInput || error instanceof RuleViolation ? error.message : codeOf(error);
    const problem = `${path} cannot be served (${String(reason)}); remove it to have a new one made for ${name}`;
    throw new StartFailure("DATA_DIR", problem, { cause: error });
  }
}

/** Only a file of ours is renewed; what is wrong with it is then no reason to stop. */
function mustRenew(text: string, { name, nowMs }: DefaultCertificateOptions): boolean {
  if (!text.startsWith(MADE_HERE)) return false;
  try {
    const { names, notAfterMs } = described(parse(text, nowMs));
    return !names.includes(name) || notAfterMs - nowMs < RENEW_BEFORE_MS;
  } catch {
    return true;
  }
}

async function make({ path, name, nowMs }: DefaultCertificateOptions): Promise<DefaultCertificate> {
  const made = await makeOwnCertificate(name, nowMs);
  const blocks = made.material.keys.flatMap((key) => [key.privateKeyPem, key.certificateChainPem]);
  writeDurably(
    path,
    [MADE_HERE, ...blocks]
      .map((block) => block.trimEnd())
      .join("\n")
      .concat("\n"),
  );
  return { ...described(made), isNew: true };
}

function parse(text: string, nowMs: number): NewCertificate {
  const { blocks, issues } = readPem(text, "");
  const [issue] = issues;
  if (issue !== undefined) throw new InvalidInput(issue.message, issues);
  const textOf = (isWanted: (label: string) => boolean): string =>
    blocks
      .filter(({ label }) => isWanted(label))
      .map((block) => block.text)
      .join("");
  const bundle = { certificatePem: textOf(isCertificateLabel), privateKeyPem: textOf(isPrivateKeyLabel) };
  return parsePemBundle(bundle, { nowMs });
}

function described(certificate: NewCertificate): Omit<DefaultCertificate, "isNew"> {
  return {
    material: certificate.material,
    names: certificate.names,
    notAfterMs: Date.parse(validity(certificate).notAfter ?? ""),
  };
}
