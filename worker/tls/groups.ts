/** Groups for key exchange, and curves of clients' certificates. */
import type { ClientHello } from "./client-hello.ts";

/** Groups for key exchange, in our order. */
const KEY_EXCHANGE_GROUPS = ["X25519MLKEM768", "X25519", "P-256", "P-384"] as const;

/** IANA numbers of those of KEY_EXCHANGE_GROUPS that TLS 1.2 has. */
const TLS12_KEY_EXCHANGE: readonly number[] = [29, 23, 24];

/**
 * Curves that a client's certificate may be on in TLS 1.2, where OpenSSL takes one only on a curve of its
 * group list: those of senders under BSI TR-03116 among them. Prime curves with at least 112 bits, as level 2
 * asks for; IANA's numbers beside them.
 */
const CERTIFICATE_CURVES: ReadonlyMap<number, string> = new Map([
  [25, "P-521"],
  [26, "brainpoolP256r1"],
  [27, "brainpoolP384r1"],
  [28, "brainpoolP512r1"],
  [22, "secp256k1"],
  [21, "P-224"],
]);

/**
 * Which curves a handshake takes a client's certificate on: those for key exchange, or all that level 2
 * allows.
 */
export type ClientCurves = "key-exchange" | "any";

/**
 * OpenSSL's group list. CERTIFICATE_CURVES come last: with our order of preference they are not used for key
 * exchange.
 */
export const groupList = (curves: ClientCurves): string =>
  [...KEY_EXCHANGE_GROUPS, ...(curves === "any" ? CERTIFICATE_CURVES.values() : [])].join(":");

/**
 * `any` only for a client that cannot do TLS 1.3, offers one of the further curves, and one of our groups
 * too, which the key exchange then takes. So no handshake and no scanner ever gets a further curve for key
 * exchange.
 */
export function clientCurves({ newestVersion, groups }: ClientHello): ClientCurves {
  if (newestVersion > 0x0303 || !groups.some((group) => TLS12_KEY_EXCHANGE.includes(group)))
    return "key-exchange";
  return groups.some((group) => CERTIFICATE_CURVES.has(group)) ? "any" : "key-exchange";
}
