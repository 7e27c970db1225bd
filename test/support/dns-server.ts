import { createSocket } from "node:dgram";
import { once } from "node:events";

/** What a resolver answers for a name. */
export type DnsAnswer =
  /** Strings of each TXT record; `alias` is the owner behind a CNAME. */
  | { readonly kind: "txt"; readonly records: readonly (readonly string[])[]; readonly alias?: string }
  | { readonly kind: "code"; readonly code: "nodata" | "servfail" | "nxdomain" | "refused" }
  | { readonly kind: "silence" };

export interface DnsServer {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const CODES = { nodata: 0, servfail: 2, nxdomain: 3, refused: 5 } as const;
const [TXT, CNAME] = [16, 5];

/** A resolver on UDP whose answers a test gives (RFC 1035 section 4.1). */
export async function startDnsServer(answerTo: (name: string) => DnsAnswer): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, { port, address }) => {
    const { name, end } = questionOf(query);
    asked.push(name);
    const answer = answerTo(name);
    if (answer.kind !== "silence") socket.send(response(query.subarray(0, end), answer), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}

function questionOf(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 5 };
}

function response(question: Buffer, answer: Exclude<DnsAnswer, { readonly kind: "silence" }>): Buffer {
  const header = Buffer.from(question);
  // An answer of a recursive resolver, as it was asked for.
  header.writeUInt16BE(0x8180 | (answer.kind === "code" ? CODES[answer.code] : 0), 2);
  const records = answer.kind === "code" ? [] : recordsOf(answer);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(0, 10);
  return Buffer.concat([header, ...records]);
}

function recordsOf({ records, alias }: Extract<DnsAnswer, { readonly kind: "txt" }>): readonly Buffer[] {
  // The name of the question, as a pointer.
  const asked = Buffer.from([0xc0, 12]);
  const owner = alias === undefined ? asked : nameBytes(alias);
  return [
    ...(alias === undefined ? [] : [record(asked, CNAME, nameBytes(alias))]),
    ...records.map((strings) =>
      record(
        owner,
        TXT,
        Buffer.concat(strings.map((each) => Buffer.concat([Buffer.from([each.length]), Buffer.from(each)]))),
      ),
    ),
  ];
}

const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

function record(owner: Buffer, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(60, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fixed, data]);
}
