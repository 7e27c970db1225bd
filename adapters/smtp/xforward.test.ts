import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseExtensions, sizeLimit } from "./extensions.ts";
import { xforwardCommand, xtext } from "./xforward.ts";

const offering = (...lines: readonly string[]) =>
  parseExtensions({ code: 250, lines: ["fake.example", ...lines] });
const client = { address: "192.0.2.7", helo: "client.example" };

describe("XFORWARD", () => {
  it.each([
    [
      "XFORWARD NAME ADDR PROTO HELO SOURCE",
      client,
      "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7 HELO=client.example",
    ],
    ["xforward helo", client, "XFORWARD HELO=client.example"],
    ["XFORWARD ADDR", { ...client, address: "2001:db8::1" }, "XFORWARD ADDR=IPV6:2001:db8::1"],
    ["XFORWARD ADDR", { ...client, address: "x\r\ny" }, "XFORWARD ADDR=[UNAVAILABLE]"],
    ["XFORWARD HELO", { ...client, helo: "a b+c=d\r\nQUIT" }, "XFORWARD HELO=a+20b+2Bc+3Dd+0D+0AQUIT"],
    ["XFORWARD HELO", { ...client, helo: "" }, "XFORWARD HELO=[UNAVAILABLE]"],
    ["XFORWARD HELO", { ...client, helo: "ä".repeat(250) }, "XFORWARD HELO=[UNAVAILABLE]"],
    ["XFORWARD PROTO", client, null],
    ["XFORWARD", client, null],
    ["8BITMIME", client, null],
  ])("where %s is offered, says of %j %s", (line, from, command) => {
    expect(xforwardCommand(offering(line), from)).toBe(command);
  });

  it("is one command of at most 510 octets in printable ASCII, whatever the client says", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 600 }),
        fc.string({ unit: "binary", maxLength: 60 }),
        (helo, address) => {
          const command = xforwardCommand(offering("XFORWARD NAME ADDR HELO"), { helo, address });
          expect(command).toMatch(/^XFORWARD NAME=[!-~]+ ADDR=[!-~]+ HELO=[!-~]+$/);
          expect(command?.length).toBeLessThanOrEqual(510);
        },
      ),
    );
  });

  it("leaves no plus or equals sign of the client's in xtext", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const octets = xtext(text).replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
        expect(Buffer.from(octets, "latin1").equals(Buffer.from(text, "utf8"))).toBe(true);
        expect(xtext(text)).toMatch(/^[!-~]*$/);
      }),
    );
  });
});

describe("what a server offers", () => {
  it("is read without case, the greeting and lines that are no keyword left out", () => {
    const extensions = parseExtensions({
      code: 250,
      lines: ["STARTTLS hello", "starttls", " Size  10 ", "AUTH=PLAIN", "", "AUTH plain LOGIN"],
    });
    expect([...extensions]).toEqual([
      ["STARTTLS", []],
      ["SIZE", ["10"]],
      ["AUTH", ["plain", "LOGIN"]],
    ]);
  });

  it.each([
    ["SIZE 10", 10],
    ["SIZE", null],
    ["SIZE 0", null],
    ["SIZE x", null],
    ["SIZE 99999999999999999999", null],
    ["X", null],
  ])("with %s has the limit %s", (line, limit) => {
    expect(sizeLimit(offering(line))).toBe(limit);
  });
});
