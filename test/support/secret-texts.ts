import { createPublicKey, type KeyObject } from "node:crypto";

/**
 * Texts by which a private key would show in an answer, a log or a file: lines of its PEM in every form, its
 * DER and its secret numbers in base64 and hex. What its certificate shows as well is left out.
 */
export function secretTexts(privateKey: KeyObject, certificatePem: string): readonly string[] {
  const jwk = privateKey.export({ format: "jwk" });
  const numbers = [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi].filter((each) => each !== undefined);
  const forms = (
    privateKey.asymmetricKeyType === "rsa" ? (["pkcs8", "pkcs1"] as const) : (["pkcs8", "sec1"] as const)
  ).map((type) => privateKey.export({ type, format: "der" } as { type: "pkcs8"; format: "der" }));
  const texts = [
    ...forms.flatMap((der) => [...bodyLines(der), der.toString("hex")]),
    ...numbers.flatMap((number) => {
      const bytes = Buffer.from(number, "base64url");
      return [number, bytes.toString("base64"), bytes.toString("hex")];
    }),
  ];
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const shown = certificatePem + publicKey.toString("hex") + publicKey.toString("base64");
  return [...new Set(texts)].filter((text) => text.length >= 32 && !shown.includes(text));
}

/** Lines of the body as PEM has them. */
const bodyLines = (der: Uint8Array): readonly string[] =>
  Buffer.from(der).toString("base64").match(/.{64}/g) ?? [];
