import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../core/errors.ts";
import { entityTag, readCondition } from "./conditions.ts";

const read = (headers: Record<string, string>) => readCondition({ header: (name) => headers[name] });

describe("readCondition", () => {
  it.each([
    [{}, { matches: null, matchesNot: null }],
    [{ "If-Match": "*" }, { matches: "any", matchesNot: null }],
    [{ "If-Match": ' "17" ' }, { matches: [17], matchesNot: null }],
    [{ "If-Match": '"16","17" , "18"' }, { matches: [16, 17, 18], matchesNot: null }],
    [{ "If-Match": entityTag(17) }, { matches: [17], matchesNot: null }],
    // Strong comparison: a weak tag matches nothing, and is no error.
    [{ "If-Match": 'W/"17"' }, { matches: [], matchesNot: null }],
    [{ "If-Match": '"abc", "017", "1e1", ""' }, { matches: [], matchesNot: null }],
    // RFC 9110 section 5.6.1.2: empty elements are ignored.
    [{ "If-Match": ', "16" ,,"17",' }, { matches: [16, 17], matchesNot: null }],
    [{ "If-Match": "" }, { matches: [], matchesNot: null }],
    [{ "If-None-Match": "*" }, { matches: null, matchesNot: "any" }],
    [{ "If-None-Match": 'W/"17", "18"' }, { matches: null, matchesNot: [17, 18] }],
    [
      { "If-Match": "*", "If-None-Match": '"3"' },
      { matches: "any", matchesNot: [3] },
    ],
  ])("reads %j", (headers, expected) => expect(read(headers)).toEqual(expected));

  it.each(["17", '"17', '17"', '"17" "18"', '*, "17"', 'w/"17"', "'17'", '"17";'])(
    "refuses If-Match: %s",
    (value) => expect(() => read({ "If-Match": value })).toThrow(InvalidInput),
  );
});
