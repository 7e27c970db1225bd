import { expect, it } from "vitest";
import { type Answer, openAnswer, sealAnswer } from "./sealed-answer.ts";

const SEAL = { secret: "a secret", name: "a name" };
const ANSWER: Answer = { status: 201, headers: [["etag", '"1"']], body: "é" };

it("opens what it has sealed, each time under another text", () => {
  const sealed = sealAnswer(ANSWER, SEAL);
  expect(openAnswer(sealed, SEAL)).toEqual(ANSWER);
  expect(Buffer.compare(sealed, sealAnswer(ANSWER, SEAL))).not.toBe(0);
});

it.each([
  ["another secret", { ...SEAL, secret: "another" }],
  ["another name", { ...SEAL, name: "another" }],
])("does not open by %s", (_, seal) => {
  expect(openAnswer(sealAnswer(ANSWER, SEAL), seal)).toBeNull();
});

it("does not open where any octet differs, or one is missing", () => {
  const sealed = sealAnswer(ANSWER, SEAL);
  for (let index = 0; index < sealed.byteLength; index += 1) {
    const damaged = Uint8Array.from(sealed, (octet, at) => (at === index ? octet ^ 1 : octet));
    expect(openAnswer(damaged, SEAL), `octet ${index}`).toBeNull();
    expect(openAnswer(sealed.subarray(0, index), SEAL), `${index} octets`).toBeNull();
  }
});

/** Sealed by release 0.1, before any later change of the form. */
const OF_0_1 =
  "01e49f6cf221de748ec302407a37ee3ed67b265f7c21616a051601c9c49ad101a33f16c64366e4afee3ccc023840f1470bad8b9a4b4fcd8d77438298d9ba5b509ba1caa0d2d96567a1cf9b3cd21cc3777d3d75ba8b95ddd8485ba5adb162e2eb62739916157922d723c49fc58bdecb0253176939eef547d8e50eb2204eebb9c101a520e49dcff4a5c0";

it("opens an answer that an earlier release has sealed", () => {
  expect(openAnswer(Buffer.from(OF_0_1, "hex"), SEAL)).toEqual({
    status: 201,
    headers: [
      ["etag", '"17"'],
      ["location", "/v1/tokens/tok_1"],
    ],
    body: '{"id":"tok_1"}',
  });
});

it("does not open one of a later release", () => {
  const later = Uint8Array.from(Buffer.from(OF_0_1, "hex"), (octet, at) => (at === 0 ? 2 : octet));
  expect(openAnswer(later, SEAL)).toBeNull();
});
