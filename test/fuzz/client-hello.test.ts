import { expect, it } from "vitest";
import {
  type ClientHelloResult,
  ClientHelloParser,
  MAX_CLIENT_HELLO_BYTES,
} from "../../worker/tls/client-hello.ts";
import { captureClientHello, inRecordsOf, messageOf, record } from "../support/client-hellos.ts";
import { fuzz, type SeededRandom } from "../support/seeded-random.ts";

const NAME = "test/fuzz/client-hello.test.ts";
const real = await captureClientHello({ servername: "mx.example.com" });

function feed(bytes: Buffer, cuts: readonly number[]): ClientHelloResult {
  const parser = new ClientHelloParser();
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const result = parser.push(bytes.subarray(from, to));
    if (result.kind !== "more") return result;
    from = to;
  }
  return { kind: "more" };
}

const cutsOf = (random: SeededRandom, length: number): number[] =>
  Array.from({ length: random.below(6) }, () => random.below(length + 1)).toSorted((a, b) => a - b);

function mutate(random: SeededRandom): Buffer {
  const message = Buffer.from(messageOf(real));
  for (let count = random.below(4); count > 0; count -= 1)
    message[random.below(message.length)] = random.below(256);
  const cut = random.below(3) === 0 ? message.subarray(0, random.below(message.length)) : message;
  const size = 1 + random.below(message.length);
  const flight = inRecordsOf(size, record(cut));
  if (random.below(4) === 0) flight[random.below(flight.length)] = random.below(256);
  return random.below(5) === 0 ? Buffer.concat([flight, random.bytes(random.below(50))]) : flight;
}

it("gives the same result for a mutated hello in any segmentation, and never throws", async () => {
  await fuzz(NAME, 3_000, (random) => {
    const bytes = mutate(random);
    const whole = feed(bytes, []);
    expect(feed(bytes, cutsOf(random, bytes.length))).toEqual(whole);
    if (whole.kind === "hello")
      expect(whole.hello.serverName?.length ?? 0).toBeLessThan(MAX_CLIENT_HELLO_BYTES);
  });
});

it("never throws on noise, with or without a record header before it", async () => {
  await fuzz(NAME, 3_000, (random) => {
    const noise = random.bytes(random.below(300));
    const bytes =
      random.below(2) === 0
        ? noise
        : record(Buffer.concat([Buffer.from([1, 0, 0, random.below(256)]), noise]));
    expect(["more", "bad", "hello"]).toContain(feed(bytes, cutsOf(random, bytes.length)).kind);
  });
});
