/** Request bodies: media type, bounded read. */

import { InvalidInput, TooLarge } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import { parseJson } from "./json.ts";

export type BodyMediaType = "application/json" | "application/merge-patch+json";

/**
 * Reads a request's JSON body as text: bounded, of the right media type, not empty, UTF-8, and JSON without
 * duplicate keys. An empty body is never a document: zod-openapi alone would validate `{}`, and its defaults
 * would set `require` back to `accept`.
 *
 * @throws TooLarge, UnsupportedMediaType, InvalidInput. None of them quotes the body, which may hold a
 *   private key.
 */
export async function readJsonText(request: Request, expected: BodyMediaType): Promise<string> {
  const bytes = await readBounded(request, CAPS.requestBytes);
  if (bytes.byteLength === 0)
    throw new InvalidInput("The request body is empty; send a JSON document.", [
      { pointer: "", code: "empty-body", message: "a JSON document is needed" },
    ]);
  if (!isMediaType(request.headers.get("content-type"), expected)) throw new UnsupportedMediaType(expected);
  // RFC 9110 section 8.4: a coded body is not the JSON that its type declares.
  if (!isPlain(request.headers.get("content-encoding"))) throw new UnsupportedMediaType(expected);
  const text = decodeUtf8(bytes);
  parseJson(text);
  return text;
}

/**
 * The declared length is believed only when it is too large: a body without one, or with a lie, is counted.
 */
export async function readBounded(request: Request, limit: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit) throw tooLarge(limit);
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (size > limit) throw tooLarge(limit);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    // A client that disconnects is not an error of the API, and must not look like one in the log.
    throw new InvalidInput("The request body is incomplete.", [
      { pointer: "", code: "incomplete-body", message: "the body ends before its length" },
    ]);
  }
  return Buffer.concat(chunks, size);
}

const tooLarge = (limit: number): TooLarge => {
  const message = `the body is over ${limit} bytes`;
  return new TooLarge(message, [{ pointer: "", code: "too-large", message }]);
};

/** RFC 9110 section 8.3.1; JSON is UTF-8 (RFC 8259 section 8.1), so another charset is another media type. */
function isMediaType(contentType: string | null, expected: BodyMediaType): boolean {
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  return type === expected && (charset === undefined || /^charset="?utf-8"?$/.test(charset));
}

const isPlain = (contentEncoding: string | null): boolean =>
  contentEncoding === null || contentEncoding.trim().toLowerCase() === "identity";

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const message = "the body is not UTF-8";
    throw new InvalidInput(message, [{ pointer: "", code: "malformed-json", message }]);
  }
}

/** The body has another media type than the route takes. 415 with Accept or Accept-Patch. */
export class UnsupportedMediaType extends Error {
  override readonly name = "UnsupportedMediaType";
  readonly accepted: string;
  constructor(accepted: string) {
    super(`the body must be ${accepted} in UTF-8, without a content coding`);
    this.accepted = accepted;
  }
}
