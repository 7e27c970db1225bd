/** Reader of BER for PKCS #12, which macOS, NSS and Java write with indefinite lengths; der.ts reads DER. */

import {
  type BaseBlock,
  Constructed,
  fromBER,
  Integer,
  ObjectIdentifier,
  OctetString,
  Primitive,
} from "asn1js";

export type BerNode = BaseBlock;

/** The bytes are not BER, or not of the shape asked for. Caught by the reader of PKCS #12. */
class MalformedBer extends Error {
  override readonly name = "MalformedBer";
}

/** @throws MalformedBer */
export function readBer(bytes: Uint8Array): BerNode {
  const { offset, result } = fromBER(new Uint8Array(bytes));
  if (offset === -1) throw new MalformedBer("not BER");
  return result;
}

/**
 * Children of a SEQUENCE, SET or explicit tag; with "optional", none of anything else.
 *
 * @throws MalformedBer
 */
export function childrenOf(node: BerNode | undefined, absence?: "optional"): readonly BerNode[] {
  // SEQUENCE, SET and constructed context tags are all of this class in asn1js.
  if (node instanceof Constructed) return node.valueBlock.value;
  if (absence === "optional") return [];
  throw new MalformedBer("not constructed");
}

/** @throws MalformedBer */
export function oidOf(node: BerNode | undefined): string {
  if (!(node instanceof ObjectIdentifier)) throw new MalformedBer("no object identifier");
  return node.valueBlock.toString();
}

/** A non-negative INTEGER of at most 6 octets; a larger one is Infinity. @throws MalformedBer */
export function integerOf(node: BerNode | undefined): number {
  if (!(node instanceof Integer)) throw new MalformedBer("no integer");
  const octets = node.valueBlock.valueHexView;
  if (octets.length === 0 || (octets[0] ?? 0) >= 0x80) throw new MalformedBer("integer");
  return octets.length > 6 ? Infinity : octets.reduce((value, octet) => value * 256 + octet, 0);
}

/**
 * Octets of an OCTET STRING, in one piece or several, under its own tag or an implicit one.
 *
 * @throws MalformedBer
 */
export function octetsOf(node: BerNode | undefined): Uint8Array {
  if (node instanceof OctetString) return new Uint8Array(node.getValue());
  if (node instanceof Primitive) return new Uint8Array(node.valueBlock.valueHexView);
  if (node instanceof Constructed) return Buffer.concat(childrenOf(node).map((part) => octetsOf(part)));
  throw new MalformedBer("no octets");
}

/** The element as it is encoded: tag, length and content. */
export const encodedBytes = (node: BerNode): Uint8Array => new Uint8Array(node.valueBeforeDecodeView);
