import { createPrivateKey, X509Certificate } from "node:crypto";
import { CommandError } from "../frame/command-error.ts";
import type { Context } from "../frame/command.ts";

/** What a sender with a client certificate presents. */
export interface ClientCertificate {
  /** Certificate and intermediates. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

const MAX_BYTES = 1_000_000;

/**
 * The certificate and key that the options name; null = none.
 *
 * @throws CommandError unless they are PEM and belong together.
 */
export async function readClientCertificate({
  input,
  effects,
}: Pick<Context, "input" | "effects">): Promise<ClientCertificate | null> {
  const path = input.text("clientCertificate");
  const keyPath = input.text("clientKey");
  if (path === undefined && keyPath === undefined) return null;
  if (path === undefined)
    throw new CommandError("--client-key is without its certificate", { hint: "Give --client-certificate." });
  const certificatePem = await effects.files.read(path, MAX_BYTES);
  const keyPem = keyPath === undefined ? certificatePem : await effects.files.read(keyPath, MAX_BYTES);
  if (!belongTogether(certificatePem, keyPem)) {
    const name = keyPath === undefined ? path : `${path} and ${keyPath}`;
    throw new CommandError(`${name}: not a certificate and its key as PEM`, {
      hint: "The key, which is not encrypted, stands beside the certificate or in --client-key.",
    });
  }
  return { certificatePem, keyPem };
}

function belongTogether(certificatePem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}
