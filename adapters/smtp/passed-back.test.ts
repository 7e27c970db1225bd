import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { lmtpRefusal, passedBack } from "./passed-back.ts";

describe("a refusal of the next hop, passed back", () => {
  it.each([
    [550, ["5.1.1 no such user"], "550 5.1.1 no such user"],
    [450, ["4.2.1 busy"], "450 4.2.1 busy"],
    [421, ["4.3.2 shutting down"], "451 4.3.2 shutting down"],
    [421, ["too busy"], "451 4.0.0 too busy"],
    [550, ["no such user"], "550 5.0.0 no such user"],
    [550, ["4.7.1 says one and means another"], "550 5.0.0 says one and means another"],
    [421, ["5.7.1 bad you"], "451 4.0.0 bad you"],
    [550, [""], "550 5.0.0 The next hop gave no reason"],
    [550, ["5.7.1"], "550 5.7.1 The next hop gave no reason"],
    [550, ["5.7.1 first", "5.7.1 second ", "", " third"], "550 5.7.1 first second third"],
    [554, ["5.7.1 a\tb\0c\x1b[31m\xe4\rd"], "554 5.7.1 a b?c?[31m??d"],
    [552, ["5.3.41 big"], "552 5.3.41 big"],
  ])("%i %j is %s", (code, lines, expected) => {
    const refusal = passedBack({ code, lines });
    expect(`${String(refusal.code)} ${refusal.text}`).toBe(expected);
    expect(refusal.cause).toBe("passed-back");
  });

  it("is one line of printable ASCII of at most 500 octets, with a code that is never 421 and an enhanced code that agrees", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 599 }),
        fc.array(fc.string({ unit: "binary", maxLength: 400 }), { minLength: 1, maxLength: 5 }),
        (code, lines) => {
          const refusal = passedBack({ code, lines });
          const line = `${String(refusal.code)} ${refusal.text}`;
          expect(line).toMatch(/^([45])\d\d \1\.\d{1,3}\.\d{1,3} [\x20-\x7e]+$/);
          expect(line.length).toBeLessThanOrEqual(500);
          expect(refusal.code).not.toBe(421);
        },
      ),
    );
  });
});

describe("the answers of an LMTP server after the dot", () => {
  const domain = parseDomainName("example.com");
  const answers = (...codes: readonly number[]) =>
    lmtpRefusal(
      codes.map((code, at) => ({
        mailbox: { localPart: `u${String(at)}`, domain },
        reply: { code, lines: ["x"] },
      })),
    );

  it.each([
    [[250], null],
    [[250, 251], null],
    [[250, 450], "451 4.2.0 "],
    [[421], "451 4.2.0 "],
    [[550, 450], "451 4.2.0 "],
    [[550, 530], "451 4.2.0 "],
    [[250, 550], "554 5.0.0 Not delivered to u1@example.com"],
    [[550, 552], "554 5.0.0 Not delivered to u0@example.com, u1@example.com"],
  ])("%j come to %s", (codes, expected) => {
    const refusal = answers(...codes);
    if (expected === null || refusal === null) expect(refusal).toBe(expected);
    else
      expect(`${String(refusal.code)} ${refusal.text}`).toMatch(
        new RegExp(`^${expected.replaceAll(".", "\\.")}`),
      );
  });

  it("name everyone who failed in printable ASCII, as far as 500 octets go", () => {
    const mailboxes = Array.from({ length: 60 }, (_, at) => ({ localPart: `grün${String(at)}`, domain }));
    const refusal = lmtpRefusal(
      mailboxes.map((mailbox) => ({ mailbox, reply: { code: 550, lines: ["x"] } })),
    );
    expect(refusal?.text).toMatch(/^5\.0\.0 Not delivered to gr\?\?n0@example\.com, [\x20-\x7e]+\.\.\.$/);
    expect(refusal?.text.length).toBeLessThanOrEqual(496);
  });
});
