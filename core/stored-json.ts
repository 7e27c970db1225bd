/**
 * What a stored JSON text holds, to be given to a schema; undefined, which no schema here takes, when it is
 * not JSON. It never throws: the parser's message quotes the text, which may be a private key.
 */
export function parseStoredJson(stored: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof stored === "string" ? stored : Buffer.from(stored).toString("utf8"));
  } catch {
    return undefined;
  }
}
