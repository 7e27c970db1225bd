import { describe, expect, it } from "vitest";
import { readCommand, readGreeting } from "./client-command.ts";

const read = (line: string) => readCommand(Buffer.from(line, "latin1"));

describe("a command", () => {
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
  ])("%j is read as %s among those of a transaction", (line, command) => {
    expect(read(line).frequent).toBe(command);
  });

  it("with any other first octet is not read as DATA", () => {
    for (let octet = 0; octet < 256; octet += 1) {
      const line = Buffer.concat([Buffer.from([octet]), Buffer.from("ATA")]);
      const isData = octet === 0x44 || octet === 0x64;
      expect(readCommand(line).frequent).toBe(isData ? "DATA" : null);
    }
  });

  it.each([
    ["DATA x", "DATA"],
    ["rset x", "RSET"],
    ["QUIT now", "QUIT"],
    ["STARTTLS x", "STARTTLS"],
    ["QUIT \t", null],
    ["NOOP x", null],
    ["MAIL FROM:<a@b> SIZE=1", null],
  ])("%j has an argument that it may not have: %s", (line, argued) => {
    expect(read(line).argued).toBe(argued);
  });

  it("loses the blanks before its line end and no others", () => {
    expect(read("NOOP  a \t ").line.toString()).toBe("NOOP  a");
  });
});

describe("a greeting", () => {
  it.each([
    ["EHLO client.example", "client.example"],
    ["EHLO   [192.0.2.1] ", "[192.0.2.1]"],
    [`EHLO ${"x".repeat(300)}`, "x".repeat(300)],
    [`EHLO ${"x".repeat(301)}`, null],
    ["EHLO", null],
    ["EHLO a b", null],
    ["EHLO a\u0000b", null],
  ])("%j is that of %s", (line, text) => {
    expect(readGreeting(Buffer.from(line), true)).toEqual(text === null ? null : { text, extended: true });
  });
});
