/** Arguments of `openssl verify`, and the verdict in its output. */

import type { ChainVerdict } from "../../core/policy/chain-verifier.ts";
import type { CommandResult } from "./command.ts";

/** What a run judges. */
export interface VerifyTerms {
  readonly purpose: "sslclient" | "sslserver";
  /** Epoch milliseconds; absent = now. */
  readonly atMs?: number;
}

export interface VerifyFiles {
  /** PEM of every anchor. */
  readonly anchors: string;
  /** PEM of every CRL; null = no revocation is checked. */
  readonly crls: string | null;
  /**
   * PEM of the leaf, alone in its file: `verify` skips what it cannot read, so from a file of the whole chain
   * it would judge the intermediate of a leaf that only Node can read, and print OK.
   */
  readonly leaf: string;
  /** PEM of what was sent after the leaf; null = nothing. */
  readonly issuers: string | null;
}

/** No store of the machine takes part: what is trusted is the domain's own anchors and nothing else. */
export function verifyArguments(files: VerifyFiles, { purpose, atMs }: VerifyTerms): readonly string[] {
  const trusted = ["-no-CAfile", "-no-CApath", "-no-CAstore", "-trusted", files.anchors];
  const untrusted = files.issuers === null ? [] : ["-untrusted", files.issuers];
  const rules = ["-partial_chain", "-verify_depth", "6", "-auth_level", "2", "-purpose", purpose];
  const revocation = files.crls === null ? [] : ["-crl_check_all", "-CRLfile", files.crls];
  const moment = atMs === undefined ? [] : ["-attime", String(Math.floor(atMs / 1000))];
  return ["verify", ...trusted, ...untrusted, ...rules, ...moment, ...revocation, files.leaf];
}

/** One finding of `openssl verify`. */
interface VerifyError {
  readonly code: number;
  readonly depth: number;
  readonly text: string;
}

/**
 * `ok`, what was found, or `no-verdict`: no chain could be read or built at all, so nothing is known of the
 * client.
 */
export type VerifyOutcome =
  | { readonly kind: "ok" }
  | { readonly kind: "errors"; readonly errors: readonly VerifyError[] }
  | { readonly kind: "no-verdict"; readonly why: string };

/**
 * A finding stands at the start of its line; above it comes the subject, where openssl escapes control
 * characters, so that no certificate can write a line. A finding about the path of a CRL's signer has a
 * prefix.
 */
const FINDING = /^(\[CRL path\] )?error (\d+) at (\d+) depth lookup: (.*)$/;

/**
 * Reads what `openssl verify` said of the file `leaf`. Only exit code 0, the exact `OK` line and no finding
 * at all are an OK.
 */
export function readVerifyOutput(result: CommandResult, leaf: string): VerifyOutcome {
  if (result.kind === "failed") return { kind: "no-verdict", why: result.why };
  const errors = result.stderr.split("\n").flatMap((line) => {
    const [, crlPath, code, depth, text = ""] = FINDING.exec(line) ?? [];
    if (code === undefined) return [];
    return [{ code: crlPath === undefined ? Number(code) : CRL_PATH, depth: Number(depth), text }];
  });
  if (result.code === 0 && result.stdout === `${leaf}: OK\n` && errors.length === 0) return { kind: "ok" };
  if (result.code !== 0 && errors.length > 0) return { kind: "errors", errors };
  return { kind: "no-verdict", why: `openssl verify ended with ${String(result.code)} and gave no reason` };
}

/** Stands for every finding in the path of a CRL's signer: never one of purpose. */
const CRL_PATH = -1;
/**
 * X509_V_ERR_INVALID_PURPOSE: an extended key usage, key usage or Netscape type on the path does not allow
 * the purpose. `openssl verify` goes on after it, so the other findings are complete. A CA that may not sign
 * also has X509_V_ERR_INVALID_CA (24), whatever the purpose.
 */
const INVALID_PURPOSE = 26;

/**
 * The verdict from a run for `sslclient` and, when that failed for its purpose alone, one for `sslserver`.
 * Row 6 is every finding that is not about purpose; row 7 is purpose.
 *
 * @param runs `server` null = not run: a certificate that a client may use is accepted under either setting.
 */
export function chainVerdict(client: VerifyOutcome, server: VerifyOutcome | null): ChainVerdict {
  for (const outcome of [client, server]) {
    if (outcome?.kind === "no-verdict") return { kind: "not-judged", why: outcome.why };
  }
  const errors = [client, server].flatMap((outcome) => (outcome?.kind === "errors" ? outcome.errors : []));
  const grave = errors.find(({ code }) => code !== INVALID_PURPOSE);
  const shown = grave ?? errors[0];
  return {
    kind: "judged",
    valid: grave === undefined,
    clientAuth: client.kind === "ok",
    serverAuth: server?.kind === "ok",
    detail: shown === undefined ? null : `${shown.text} at depth ${String(shown.depth)}`,
  };
}

/** Whether only the purpose stands against the chain, so that another purpose is worth a run. */
export const isPurposeAlone = (outcome: VerifyOutcome): boolean =>
  outcome.kind === "errors" && outcome.errors.every(({ code }) => code === INVALID_PURPOSE);

/** X509_V_ERR_CRL_SIGNATURE_FAILURE: not signed by the key that the path has for its issuer. */
const CRL_SIGNATURE_FAILURE = 8;

export const hasBadCrlSignature = (outcome: VerifyOutcome): boolean =>
  outcome.kind === "errors" && outcome.errors.some(({ code }) => code === CRL_SIGNATURE_FAILURE);
