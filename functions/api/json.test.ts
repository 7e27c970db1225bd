import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../core/errors.ts";
import { MAX_JSON_DEPTH, MAX_JSON_ITEMS, parseJson } from "./json.ts";

function refusal(text: string): InvalidInput {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof InvalidInput) return error;
    throw error;
  }
  throw new Error(`taken: ${text}`);
}

describe("parseJson", () => {
  it("reads every JSON value as JSON.parse does, unless a key is __proto__", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.boolean(), (value, spaced) => {
        const text = JSON.stringify(value, null, spaced ? 2 : 0);
        fc.pre(!text.includes('"__proto__":'));
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("takes nothing that JSON.parse refuses", () => {
    const fragment = fc.constantFrom(
      '"',
      "\\",
      "u12",
      "{",
      "}",
      "[",
      "]",
      ":",
      ",",
      "1",
      "-",
      "e",
      ".",
      "true",
      " ",
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 8 }), (fragments) => {
        const text = fragments.join("");
        let taken = true;
        try {
          parseJson(text);
        } catch {
          taken = false;
        }
        if (taken) expect(() => JSON.parse(text)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['{"a":1,"a":1}', "/a", "duplicate-key"],
    ['{"tls":{"server":{},"server":{}}}', "/tls/server", "duplicate-key"],
    ['[{"x":[{"k~/":1,"k~/":2}]}]', "/0/x/0/k~0~1", "duplicate-key"],
    // The same key in two spellings is the same key.
    ['{"a":1,"\\u0061":2}', "/a", "duplicate-key"],
    ['{"__proto__":{"polluted":1}}', "/__proto__", "unknown-field"],
    ['{"labels":{"\\u005f_proto__":"x"}}', "/labels/__proto__", "unknown-field"],
    ["", "", "malformed-json"],
    [" ", "", "malformed-json"],
    ["{", "", "malformed-json"],
    ['{"a":}', "/a", "malformed-json"],
    ['{"a":1,}', "", "malformed-json"],
    ["{a:1}", "", "malformed-json"],
    ["{'a':1}", "", "malformed-json"],
    ["[1 2]", "", "malformed-json"],
    ["01", "", "malformed-json"],
    ["1.", "", "malformed-json"],
    ["NaN", "", "malformed-json"],
    ["1e999", "", "malformed-json"],
    ['"\\x"', "", "malformed-json"],
    ['"\n"', "", "malformed-json"],
    ['"\\ud800"', "", "malformed-json"],
    ["{} {}", "", "malformed-json"],
    ["// x\n{}", "", "malformed-json"],
  ])("refuses %j with a pointer", (text, pointer, code) => {
    expect(refusal(text).issues).toMatchObject([{ pointer, code }]);
  });

  it("names the line and column of the mistake", () => {
    expect(refusal('{\n  "a": 1,\n  "b" 2\n}').message).toContain("line 3, column 7");
  });

  it("never quotes the text, which may hold a private key", () => {
    for (const text of ['{"privateKeyPem":"SECRET","x":SECRET}', '{"k":"SECRET', '"SECRET\\q"'])
      expect(JSON.stringify(refusal(text))).not.toContain("SECRET");
  });

  it("refuses a string of a megabyte that is never closed", () => {
    expect(refusal(`"${"a".repeat(1_000_000)}`).message).toContain("not closed");
    expect(refusal(`"${"\\\\".repeat(500_000)}`).message).toContain("not closed");
  });

  it(`takes a list of ${MAX_JSON_ITEMS} items and refuses one more, with a pointer to the list`, () => {
    const list = (length: number): string => `{"tls":{"exceptions":[${Array(length).fill("{}").join()}]}}`;
    expect(() => parseJson(list(MAX_JSON_ITEMS))).not.toThrow();
    expect(() => parseJson(list(MAX_JSON_ITEMS + 1))).toThrow(
      expect.objectContaining({
        name: "TooLarge",
        issues: [expect.objectContaining({ pointer: "/tls/exceptions", code: "too-large" })],
      }),
    );
  });

  it(`takes ${MAX_JSON_DEPTH} levels and refuses one more`, () => {
    const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(() => parseJson(nested(MAX_JSON_DEPTH))).not.toThrow();
    expect(refusal(nested(MAX_JSON_DEPTH + 1)).message).toContain("deeper than");
    expect(refusal("[".repeat(900_000)).message).toContain("deeper than");
  });
});
