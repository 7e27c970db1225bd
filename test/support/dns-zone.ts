import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import {
  type Answer,
  AUTHENTIC_DATA,
  decode,
  encode,
  type Packet,
  streamDecode,
  streamEncode,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import { onTestFinished } from "vitest";

interface ZoneOptions {
  /** Answers as a resolver that validates. */
  readonly isValidated?: boolean;
  /** Sends clients from UDP to TCP. */
  readonly isTruncated?: boolean;
  /** Names that the resolver fails for. */
  readonly failing?: readonly string[];
}

const [NXDOMAIN, SERVFAIL] = [3, 2];

/** A resolver on loopback, UDP and TCP, with these records; it ends with the test. @returns its address */
export async function startDnsZone(records: readonly Answer[], options: ZoneOptions = {}): Promise<string> {
  const tcp = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (query) => socket.end(streamEncode(answerTo(streamDecode(query), records, options))));
  }).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address() as { port: number };
  const udp = createSocket("udp4").on("message", (message, client) => {
    const answer = answerTo(decode(message), records, options);
    const truncated = { ...answer, answers: [], flags: (answer.flags ?? 0) | TRUNCATED_RESPONSE };
    udp.send(encode(options.isTruncated === true ? truncated : answer), client.port, client.address);
  });
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  onTestFinished(async () => {
    udp.close();
    tcp.close();
    await once(tcp, "close");
  });
  return `127.0.0.1:${port}`;
}

function answerTo(query: Packet, records: readonly Answer[], options: ZoneOptions): Packet {
  const { isValidated = false, failing = [] } = options;
  const [question] = query.questions ?? [];
  const named = records.filter(({ name }) => name === question?.name);
  const answers = named.filter(({ type }) => type === question?.type || type === "CNAME");
  const rcode = failing.includes(question?.name ?? "") ? SERVFAIL : named.length === 0 ? NXDOMAIN : 0;
  return {
    type: "response",
    id: query.id ?? 0,
    flags: (isValidated ? AUTHENTIC_DATA : 0) | rcode,
    questions: query.questions ?? [],
    answers: rcode === 0 ? answers : [],
  };
}
