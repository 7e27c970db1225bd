import { validity } from "../core/management/expiry.ts";
import { X509Certificate } from "node:crypto";
import { chmodSync } from "node:fs";
import { parsePemBundle } from "../core/x509/pem-bundle.ts";
import { isCertificateLabel, isPrivateKeyLabel, readPem } from "../core/x509/pem.ts";
import type { NewCertificate, CertificateMaterial } from "../core/x509/serving-material.ts";
import type { DomainName } from "../core/name/domain-name.ts";
import { InvalidInput, type Issue, RuleViolation } from "../core/errors.ts";
import { codeOf, readIfThere, writeDurably } from "./durable-file.ts";
import { makeOwnCertificate } from "../worker/tls/own-certificate.ts";
import { StartFailure } from "../worker/process/start-failure.ts";

/** The edge's own certificate: what is served where the settings name none. Secret: `material`. */
export interface DefaultCertificate {
  readonly material: CertificateMaterial;
  /** dNSNames on it, wildcards as `*.x`: they belong to the operator. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
  /** What senders that verify will not accept, for people; null = nothing. It is served all the same. */
  readonly problem: string | null;
  /** True when it was made by this call. */
  readonly isNew: boolean;
}

export interface DefaultCertificateOptions {
  /** Holds key and certificate together, so that at no moment one belongs to another. */
  readonly path: string;
  readonly name: DomainName;
  readonly nowMs: number;
}

/**
 * First line of a file that is ours to renew. A file without it is the operator's own and is never replaced.
 */
const MADE_HERE =
  "# Made by Postern, which renews it. Replace the whole file, this line too, to serve your own.";
const DAY_MS = 24 * 3600 * 1000;
const RENEW_BEFORE_MS = 30 * DAY_MS;

/**
 * The default certificate kept in a file; a new one, self-signed, where there is none or where the one made
 * here is for another name or ends within 30 days.
 *
 * An expired certificate of the operator is served, with `problem`: a stopped edge would defer all mail.
 *
 * @throws StartFailure when the file is there and cannot be served, with the reason and what to do.
 */
export async function obtainDefaultCertificate(
  options: DefaultCertificateOptions,
): Promise<DefaultCertificate> {
  const { path, name, nowMs } = options;
  try {
    const text = readIfThere(path);
    if (text === null || mustRenew(text, options)) return await make(options);
    const kept = parse(text, nowMs);
    closeToOthers(path);
    return { ...described(kept), problem: dateProblem(kept, nowMs), isNew: false };
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    const problem = `${path} cannot be served (${reasonOf(error)}); remove it to have a new one made for ${name}`;
    throw new StartFailure("DATA_DIR", problem, { cause: error });
  }
}

/** A file of another owner or on a read-only file system, such as a mounted secret, is served as it is. */
function closeToOthers(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    if (codeOf(error) !== "EPERM" && codeOf(error) !== "EROFS") throw error;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof InvalidInput || error instanceof RuleViolation))
    return `it cannot be read: ${String(codeOf(error))}`;
  const reasons = error.issues.map(({ code, message }) => {
    if (code === "passphrase-required")
      return "its private key is encrypted; write it without a passphrase: openssl pkey -in key.pem -out plain.pem";
    return message;
  });
  return [...new Set(reasons)].join("; ");
}

/** Dates of the leaves and of what is sent above them. */
function dateProblem({ material, leftOut = [] }: NewCertificate, nowMs: number): string | null {
  const sent = material.keys.flatMap(({ certificateChainPem }) => readPem(certificateChainPem, "").blocks);
  const problems = sent.flatMap(({ text }) => {
    const { validFromDate, validToDate, subject } = new X509Certificate(text);
    const which = JSON.stringify(subject.replaceAll("\n", ", "));
    if (validToDate.getTime() <= nowMs) return `${which} expired at ${validToDate.toISOString()}`;
    return validFromDate.getTime() <= nowMs
      ? []
      : `${which} is not valid before ${validFromDate.toISOString()}`;
  });
  for (const { subject, notAfter, reason } of leftOut)
    if (reason === "expired")
      problems.push(`${JSON.stringify(subject)} expired at ${notAfter}, and is left out`);
  return problems.length === 0 ? null : [...new Set(problems)].join("; ");
}

/** Only a file that Postern made is renewed; a problem of it is then no reason to stop. */
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
  return { ...described(made), problem: null, isNew: true };
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
  const missing = [
    ...(bundle.certificatePem === "" ? ["it holds no certificate"] : []),
    ...(bundle.privateKeyPem === "" ? ["it holds no private key"] : []),
  ];
  if (missing.length > 0) {
    const absent = missing.map((message): Issue => ({ pointer: "", code: "required", message }));
    throw new InvalidInput("the file is not complete", absent);
  }
  return parsePemBundle(bundle, { nowMs, isLastResort: true });
}

function described(certificate: NewCertificate): Omit<DefaultCertificate, "isNew" | "problem"> {
  return {
    material: certificate.material,
    names: certificate.names,
    notAfterMs: Date.parse(validity(certificate).notAfter ?? ""),
  };
}
