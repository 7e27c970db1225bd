import type { Mailbox } from "../../core/name/mailbox.ts";
import { describe, expect, it } from "vitest";
import type { DeliveryRoute, DeliveryTarget, MailTransaction } from "../../core/delivery/delivery.ts";
import { MessageRefused } from "../../core/delivery/delivery-refusals.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";

/** One message as the target has stored it. */
export interface DeliveredMail {
  readonly reversePath: string;
  readonly recipients: readonly string[];
  /** Latin-1, so that one character is one octet; without what the target itself added. */
  readonly content: string;
}

/** A target, a route of its kind, and a way to read the delivered messages. */
export interface DeliveryUnderTest {
  readonly target: DeliveryTarget;
  readonly route: DeliveryRoute;
  delivered(): Promise<readonly DeliveredMail[]>;
  dispose(): Promise<void>;
}

export interface DeliveryContractOptions {
  readonly name: string;
  readonly create: () => Promise<DeliveryUnderTest>;
}

const domain = parseDomainName("example.com");
const alice: Mailbox = { localPart: "alice", domain };
const bob: Mailbox = { localPart: "bob", domain };
const transaction: MailTransaction = {
  reversePath: "sender@client.example",
  parameters: { size: null, body: null, smtpUtf8: false, requireTls: false },
  client: { address: "192.0.2.7", helo: "client.example" },
};
const ACCEPTED = { kind: "accepted" } as const;

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    // Each chunk comes in a separate turn, as from a socket.
    await new Promise((resolve) => setImmediate(resolve));
    yield Buffer.from(part, "latin1");
  }
}

async function* breakingOff(error: Error): AsyncGenerator<Uint8Array> {
  yield* chunks("Subject: cut\r\n\r\n", "half a mess");
  throw error;
}

/** The contract of the port DeliveryTarget (core/delivery/delivery.ts). */
export function deliveryTargetContract({ name, create }: DeliveryContractOptions): void {
  const withTarget = (test: (it: DeliveryUnderTest) => Promise<void>) => async () => {
    const underTest = await create();
    try {
      await test(underTest);
    } finally {
      await underTest.target.close();
      await underTest.dispose();
    }
  };

  describe(`a delivery target: ${name}`, () => {
    it.each([
      ["a small message", ["Subject: x\r\n\r\nhello\r\n"]],
      [
        "lines that begin with dots, split anywhere",
        ["Subject: x\r\n\r\n.\r", "\n", ".", ".\r\n.a\r\n..b\r", "\n.", "\r\n"],
      ],
      ["octets beyond ASCII", ["Subject: x\r\n\r\n\xff\xc3\xa4\x01\r\n"]],
      ["an empty body and empty chunks", ["", "Subject: x\r\n", "", "\r\n", ""]],
      ["2 MB", Array.from({ length: 32 }, () => `${"a".repeat(62)}\r\n`.repeat(1024))],
    ])("hands over %s octet by octet", (_, parts) =>
      withTarget(async ({ target, route, delivered }) => {
        const mail = target.begin(route, transaction);
        expect(await mail.recipient(alice)).toEqual(ACCEPTED);
        expect(await mail.message(chunks(...parts))).toEqual(ACCEPTED);
        expect(await delivered()).toEqual([
          {
            reversePath: "sender@client.example",
            recipients: ["alice@example.com"],
            content: parts.join(""),
          },
        ]);
      })(),
    );

    it(
      "delivers to every accepted recipient; local parts that differ only by case are two recipients",
      withTarget(async ({ target, route, delivered }) => {
        const mail = target.begin(route, { ...transaction, reversePath: null });
        for (const mailbox of [alice, { localPart: "Alice", domain }, bob, { localPart: "grün", domain }])
          expect(await mail.recipient(mailbox)).toEqual(ACCEPTED);
        expect(await mail.message(chunks("a: b\r\n\r\n"))).toEqual(ACCEPTED);
        const [only] = await delivered();
        expect(only?.reversePath).toBe("");
        expect(only?.recipients).toEqual([
          "alice@example.com",
          "Alice@example.com",
          "bob@example.com",
          "grün@example.com",
        ]);
      }),
    );

    it.each([
      ["the client is gone", new Error("aborted"), 451],
      ["the message is not clean", new MessageRefused("bare-line-end"), 550],
    ])("delivers nothing when %s in the middle of the message", (_, error, code) =>
      withTarget(async ({ target, route, delivered }) => {
        const mail = target.begin(route, transaction);
        await mail.recipient(alice);
        expect(await mail.message(breakingOff(error))).toMatchObject({
          kind: "refused",
          code,
          cause: "message",
        });
        expect(await delivered()).toEqual([]);
      })(),
    );

    it(
      "delivers nothing of an aborted transaction, also when it is aborted twice",
      withTarget(async ({ target, route, delivered }) => {
        target.begin(route, transaction).abort();
        const mail = target.begin(route, transaction);
        await mail.recipient(alice);
        mail.abort();
        mail.abort();
        expect(await delivered()).toEqual([]);
      }),
    );

    it(
      "keeps a delivered message when it is aborted afterwards",
      withTarget(async ({ target, route, delivered }) => {
        const mail = target.begin(route, transaction);
        await mail.recipient(alice);
        await mail.message(chunks("a: b\r\n\r\n"));
        mail.abort();
        expect(await delivered()).toHaveLength(1);
      }),
    );

    it(
      "keeps concurrent transactions separate",
      withTarget(async ({ target, route, delivered }) => {
        const contents = Array.from(
          { length: 8 },
          (_, at) => `Subject: ${String(at)}\r\n\r\n${"x\r\n".repeat(at)}`,
        );
        await Promise.all(
          contents.map(async (content) => {
            const mail = target.begin(route, transaction);
            expect(await mail.recipient(alice)).toEqual(ACCEPTED);
            expect(await mail.message(chunks(...content.split(/(?<=\n)/)))).toEqual(ACCEPTED);
          }),
        );
        expect((await delivered()).map(({ content }) => content).toSorted()).toEqual(contents.toSorted());
      }),
    );

    it(
      "refuses an address that would break out of its line",
      withTarget(async ({ target, route, delivered }) => {
        const mail = target.begin(route, transaction);
        for (const localPart of ["a\r\nRCPT TO:<b", "a\nb", "a\0b", "a\u2028b", "a\ud800"])
          expect(await mail.recipient({ localPart, domain })).toMatchObject({ kind: "refused", code: 550 });
        mail.abort();
        const forged = target.begin(route, { ...transaction, reversePath: "a\r\nDATA\r\n@b" });
        expect(await forged.recipient(alice)).toMatchObject({ kind: "refused", code: 550 });
        forged.abort();
        expect(await delivered()).toEqual([]);
      }),
    );
  });
}
