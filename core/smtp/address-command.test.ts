import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRouted, parseAddressCommand } from "./address-command.ts";

const rcpt = (text: string) => parseAddressCommand(Buffer.from(text, "utf8"), "RCPT TO");
const mailbox = (localPart: string, domain: string) => ({ kind: "mailbox", localPart, domain });

describe("parseAddressCommand", () => {
  it.each([
    ["RCPT TO:<a@b.example>", mailbox("a", "b.example")],
    ["rcpt to: <a@b.example>", mailbox("a", "b.example")],
    ["RCPT TO:<Anna.B+c@B.Example.>", mailbox("Anna.B+c", "B.Example.")],
    ["RCPT TO:<@x.example,@y.example:a@b.example>", mailbox("a", "b.example")],
    ['RCPT TO:<"a@b"@c.example>', mailbox('"a@b"', "c.example")],
    ['RCPT TO:<"a > b"@c.example>', mailbox('"a > b"', "c.example")],
    ['RCPT TO:<"a \\" b"@c.example>', mailbox('"a \\" b"', "c.example")],
    ["RCPT TO:<name.@b.example>", mailbox("name.", "b.example")],
    ["RCPT TO:<a@[IPv6:2001:db8::1]>", mailbox("a", "[IPv6:2001:db8::1]")],
    ["RCPT TO:<postMaster>", { kind: "postmaster" }],
    ["RCPT TO:<>", { kind: "null" }],
  ])("reads %s", (line, path) => {
    expect(rcpt(line)).toEqual({ kind: "path", path, ascii: true, parameters: [] });
  });

  it.each([
    "RCPT TO",
    "RCPT TO:",
    "RCPT TO:a@b.example",
    "RCPT FROM:<a@b.example>",
    "MAIL FROM:<a@b.example>",
    "RCPT TO:<a@b.example",
    "RCPT TO:<a@b.example>x",
    "RCPT TO:<<a@b.example>>",
    "RCPT TO:<a b@c.example>",
    "RCPT TO:<a@b@c.example>",
    "RCPT TO:<a@>",
    "RCPT TO:<@b.example>",
    "RCPT TO:<a>",
    "RCPT TO:<a,b@c.example>",
    "RCPT TO:<a(c)@b.example>",
    'RCPT TO:<"a@b.example>',
    'RCPT TO:<a"b"@c.example>',
    "RCPT TO:<a@b.example\u0000>",
    "RCPT TO:<a\rb@c.example>",
    "RCPT TO:<a\u0085b@c.example>",
    "RCPT TO:<a\u202eb@c.example>",
    "RCPT TO:<a@b\u200b.example>",
    `RCPT TO:<${"a".repeat(250)}@b.example>`,
  ])("refuses %j", (line) => {
    expect(rcpt(line)).toEqual({ kind: "syntax" });
  });

  it("takes 254 octets of path and no more, in octets and not in characters", () => {
    const path = (letter: string, count: number): string => `RCPT TO:<${letter.repeat(count)}@b.example>`;
    expect(rcpt(path("a", 244)).kind).toBe("path");
    expect(rcpt(path("a", 245)).kind).toBe("syntax");
    expect(rcpt(path("ä", 122)).kind).toBe("path");
    expect(rcpt(path("ä", 123)).kind).toBe("syntax");
  });

  it("says when an address needs SMTPUTF8, and when it is no UTF-8", () => {
    expect(rcpt("RCPT TO:<jörg@b.example>")).toMatchObject({
      ascii: false,
      path: mailbox("jörg", "b.example"),
    });
    expect(rcpt("RCPT TO:<a@bücher.example>")).toMatchObject({ ascii: false });
    const latin1 = Buffer.from("RCPT TO:<j\u00f6rg@b.example>", "latin1");
    expect(parseAddressCommand(latin1, "RCPT TO")).toEqual({ kind: "not-utf8" });
  });

  it("hands parameters on as they came: xtext is not decoded", () => {
    expect(rcpt("RCPT TO:<a@b.example> ORCPT=rfc822;x+0D+0Ay\tNOTIFY=NEVER")).toMatchObject({
      parameters: ["ORCPT=rfc822;x+0D+0Ay", "NOTIFY=NEVER"],
    });
  });

  it("never throws, and gives no path that could end a line or a bracket", () => {
    expect.hasAssertions();
    const octets = fc.uint8Array({ maxLength: 40 });
    const unit = fc.constantFrom("a", "b", ".", '"', "\\", ">", "<", "@", " ", "\r", "\n", "[", "]", ":");
    const part = fc.string({ unit, minLength: 1, maxLength: 4 });
    const hostile = fc.tuple(part, part).map(([local, domain]) => Buffer.from(`${local}@${domain}`));
    fc.assert(
      fc.property(fc.oneof(octets, hostile), (content) => {
        const bytes = Buffer.concat([Buffer.from("RCPT TO:<"), Buffer.from(content), Buffer.from(">")]);
        const parsed = parseAddressCommand(bytes, "RCPT TO");
        const isMailbox = parsed.kind === "path" && parsed.path.kind === "mailbox";
        const { localPart, domain } = isMailbox ? parsed.path : { localPart: "", domain: "" };
        const outside = localPart.startsWith('"')
          ? localPart.replace(/^"(?:[^"\\]|\\.)*"$/su, "")
          : localPart;
        expect(localPart + domain).not.toMatch(/[\x00-\x1f\x7f]/);
        expect(outside + domain.replace(/^\[|\]$/g, "")).not.toMatch(/[\s<>@"]/);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("isRouted", () => {
  it.each([
    ["user%elsewhere.example", true],
    ["elsewhere.example!user", true],
    ['"user@elsewhere.example"', true],
    ["user+tag", false],
  ])("%s: %s", (localPart, routed) => expect(isRouted(localPart)).toBe(routed));
});
