import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type NextHop, startNextHop } from "../support/peers/next-hop.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { issueServer } from "../support/pki.ts";
import { SmtpClient } from "../support/smtp-client.ts";

const DOMAIN = "mail.example";

/** How messages begin, in Latin-1: where does their header section end? */
const SAME: readonly (readonly [string, string])[] = [
  ["mbox", "From a@b Mon Jan  1 00:00:00 2026\r\nSubject: x\r\n\r\nFrom body\r\n"],
  ["quoted-mbox", ">From a@b\r\nSubject: x\r\n\r\n>From body\r\n"],
  ["twice-quoted-mbox", ">>From a@b\r\nSubject: x\r\n\r\nbody\r\n"],
  ["several-mbox", "From a\r\nFrom b\r\n>From c\r\nSubject: x\r\n\r\nbody\r\n"],
  ["mbox-continued", "From a\r\n continued\r\nSubject: x\r\n\r\nbody\r\n"],
  ["mbox-alone", "From a\r\n\r\nSubject: x\r\n"],
  ["mbox-and-text", "From a\r\nhello there\r\nSubject: x\r\n\r\nbody\r\n"],
  ["mbox-behind-blank", "\r\nFrom a@b\r\nSubject: x\r\n"],
  ["from-tab", "From\ta@b\r\nSubject: x\r\n\r\nbody\r\n"],
  ["from-small", "from a@b\r\nSubject: x\r\n\r\nbody\r\n"],
  ["blank-first", "\r\nSubject: x\r\n\r\nbody\r\n"],
  ["blanks-first", " \r\nSubject: x\r\n\r\nbody\r\n"],
  ["continuation-first", " client=verified\r\nSubject: x\r\n\r\nbody\r\n"],
  ["tab-first", "\tclient=verified\r\nSubject: x\r\n\r\nbody\r\n"],
  ["no-name", ": x\r\nSubject: y\r\n\r\nbody\r\n"],
  ["control-in-name", "X\x01Y: x\r\nSubject: y\r\n\r\nbody\r\n"],
  ["blank-in-name", "hello there: b\r\nSubject: y\r\n\r\nbody\r\n"],
  ["no-header", "hello\r\nworld\r\n"],
  ["header-only", "Subject: x\r\n"],
  ["line-of-blanks", "Subject: x\r\n \r\nTo: y@z.example\r\n\r\nbody\r\n"],
  ["from-in-body", "Subject: x\r\n\r\nFrom a\r\n>From b\r\n"],
];

/**
 * Where Postfix turns fields into body text, or into another field, and Postern keeps them: the result of
 * each.
 */
const KEPT: readonly (readonly [string, string, { readonly ours: string; readonly postfix: string }])[] = [
  [
    "eight-bit",
    "S\xfcbject: x\r\nTo: y@z.example\r\n\r\nbody\r\n",
    {
      ours: "X-Mailbox-Line: S\xfcbject: x\nTo: y@z.example\n\nbody\n",
      postfix: "\nS\xfcbject: x\nTo: y@z.example\n\nbody\n",
    },
  ],
  [
    "byte-order-mark",
    "\xef\xbb\xbfFrom: a@b\r\nTo: y@z.example\r\n\r\nbody\r\n",
    {
      ours: "X-Mailbox-Line: \xef\xbb\xbfFrom: a@b\nTo: y@z.example\n\nbody\n",
      postfix: "\n\xef\xbb\xbfFrom: a@b\nTo: y@z.example\n\nbody\n",
    },
  ],
  [
    "malformed-later",
    "Subject: x\r\nno colon here\r\nTo: y@z.example\r\n\r\nbody\r\n",
    {
      ours: "Subject: x\nno colon here\nTo: y@z.example\n\nbody\n",
      postfix: "Subject: x\n\nno colon here\nTo: y@z.example\n\nbody\n",
    },
  ],
  [
    "blanks-before-colon",
    "Subject  \t: x\r\nTo: y@z.example\r\n\r\nbody\r\n",
    {
      ours: "Subject  \t: x\nTo: y@z.example\n\nbody\n",
      postfix: "Subject: x\nTo: y@z.example\n\nbody\n",
    },
  ],
  [
    "from-with-blank",
    "From : a@b\r\nSubject: x\r\n\r\nbody\r\n",
    {
      ours: "From : a@b\nSubject: x\n\nbody\n",
      postfix: "X-Mailbox-Line: From : a@b\nSubject: x\n\nbody\n",
    },
  ],
];

let postfix: NextHop;
let product: Product;

afterAll(endEverything);

describeWith(["postfix"])("the header section of a message", () => {
  beforeAll(async () => {
    postfix = await startNextHop({
      domain: DOMAIN,
      mailboxes: [...SAME, ...KEPT].map(([name]) => name),
      answers: { never: "550 5.7.1 never" },
      messageSizeLimit: 100_000,
      certificate: issueServer({ names: ["localhost"] }),
      // Postfix adds no From, Date and Message-Id.
      settings: { local_header_rewrite_clients: "" },
    });
    product = await startProduct();
    await product.putDomain(DOMAIN, {});
  });

  it.each(SAME)("ends where Postfix ends it: %s", async (name, message) => {
    const [ours, theirs] = await Promise.all([throughUs(name, message), throughPostfix(name, message)]);
    expect(ours).toBe(theirs);
  });

  it.each(KEPT)("is kept unchanged where Postfix changes it: %s", async (name, message, expected) => {
    const [ours, theirs] = await Promise.all([throughUs(name, message), throughPostfix(name, message)]);
    expect({ ours, postfix: theirs }).toEqual(expected);
  });
});

async function throughUs(name: string, message: string): Promise<string> {
  await send(product.smtpPort, name, message);
  const files = globSync(join(product.dataDir, "mail/new/*")).map((path) => readFileSync(path, "latin1"));
  return behindTrace(files.find((file) => file.includes(`Delivered-To: ${name}@`)) ?? "");
}

async function throughPostfix(name: string, message: string): Promise<string> {
  await send(postfix.port, name, message);
  const directory = join(postfix.postfix.directory, "data/mail", name, "new");
  const file = await waitUntil(() => globSync(join(directory, "*"))[0], {
    what: `Postfix delivers to ${name}`,
    explain: postfix.postfix.log,
  });
  return behindTrace(readFileSync(file, "latin1"));
}

async function send(port: number, name: string, message: string): Promise<void> {
  const client = await SmtpClient.connect(port);
  try {
    expect(await client.reply()).toMatch(/^220/u);
    for (const line of ["EHLO client.example", "MAIL FROM:<a@client.example>", `RCPT TO:<${name}@${DOMAIN}>`])
      expect(await client.say(line)).toMatch(/^250/u);
    expect(await client.say("DATA")).toMatch(/^354/u);
    client.write(Buffer.from(`${message}.\r\n`, "latin1"));
    expect(await client.reply()).toMatch(/^250/u);
  } finally {
    client.close();
  }
}

/** The part after the fields that a mail server adds on top. */
function behindTrace(file: string): string {
  const trace = /^(?:Return-Path|X-Original-To|Delivered-To|Received|Postern-TLS):.*\n(?:[ \t].*\n)*/u;
  let rest = file.replaceAll("\r\n", "\n");
  while (trace.test(rest)) rest = rest.replace(trace, "");
  return rest;
}
