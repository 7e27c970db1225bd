import { expect, it } from "vitest";
import { frequentCommand } from "./frequent-command.ts";

it.each([
  ["MAIL FROM:<a@b>", "MAIL"],
  ["rcpt to:<a@b>", "RCPT"],
  ["DaTa", "DATA"],
  ["DATA ", "DATA"],
  ["DATABASE", null],
  ["DATA\tx", null],
  ["\u0000\u0001\u0014\u0001 x", null],
  ["EHLO x", null],
  ["DAT", null],
  ["", null],
])("frequentCommand(%j) is %s", (line, command) => {
  expect(frequentCommand(Buffer.from(line, "latin1"))).toBe(command);
});

it("takes no other first word for one of its own, whatever its octets", () => {
  for (let octet = 0; octet < 256; octet += 1) {
    const line = Buffer.concat([Buffer.from([octet]), Buffer.from("ATA")]);
    const isData = octet === 0x44 || octet === 0x64;
    expect(frequentCommand(line)).toBe(isData ? "DATA" : null);
  }
});
