import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIP } from "node:net";
import {
  type Answer,
  AUTHENTIC_DATA,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  streamDecode,
  streamEncode,
} from "dns-packet";
import { type Deadline, onAbort, within } from "./within.ts";

export type RecordKind = "A" | "AAAA" | "MX" | "TXT" | "TLSA";
export type RecordOf<K extends RecordKind> = Extract<Answer, { readonly type: K }>;

/** What a resolver says of a name. */
export type DnsResult<K extends RecordKind> =
  | {
      readonly kind: "found";
      readonly records: readonly RecordOf<K>[];
      /** The resolver has validated it with DNSSEC, and its word for that has not crossed a network. */
      readonly isSecure: boolean;
      /** The name is an alias (CNAME). */
      readonly isAlias: boolean;
    }
  | { readonly kind: "none"; readonly isSecure: boolean }
  | { readonly kind: "no-such-name"; readonly isSecure: boolean }
  | { readonly kind: "failed"; readonly reason: string };

export interface ResolverAddress {
  readonly host: string;
  readonly port: number;
}

const DNS_PORT = 53;
/** Of one attempt. */
const ATTEMPT_MS = 5_000;
const ATTEMPTS = 2;
/** EDNS(0) size that no path splits (DNS flag day 2020). */
const UDP_BYTES = 1_232;
const MAX_TCP_BYTES = 65_537;
const MAX_ID = 65_536;
const NXDOMAIN = "NXDOMAIN";
const LOOPBACK = /^(?:127\.|::1$)/u;

/** An address such as `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:53`; null = the text is none. */
export function parseResolver(text: string): ResolverAddress | null {
  const { bracketed, v4, port } =
    /^(?:\[(?<bracketed>[^\]]+)\]|(?<v4>[0-9.]+))(?::(?<port>\d{1,5}))?$/u.exec(text)?.groups ?? {};
  const host = bracketed ?? v4 ?? text;
  const number = Number(port ?? DNS_PORT);
  return isIP(host) !== 0 && number > 0 && number < MAX_ID ? { host, port: number } : null;
}

/** Asks one recursive resolver. */
export class DnsClient {
  readonly #resolver: ResolverAddress;
  readonly #deadline: Omit<Deadline, "ms">;

  constructor(resolver: ResolverAddress, deadline: Omit<Deadline, "ms">) {
    this.#resolver = resolver;
    this.#deadline = deadline;
  }

  /** Whether the resolver's word for DNSSEC can be taken: it does not cross a network. */
  get isLocal(): boolean {
    return LOOPBACK.test(this.#resolver.host);
  }

  async query<K extends RecordKind>(name: string, type: K): Promise<DnsResult<K>> {
    let reason = "no answer";
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        return this.#read(await this.#ask(name, type), type);
      } catch (error) {
        this.#deadline.signal.throwIfAborted();
        reason = (error as Error).message;
      }
    }
    return { kind: "failed", reason };
  }

  async #ask(name: string, type: RecordKind): Promise<DecodedPacket> {
    const query: Packet = {
      type: "query",
      id: randomInt(MAX_ID),
      // AD in a query asks whether the answer was validated (RFC 6840 section 5.7).
      flags: RECURSION_DESIRED | AUTHENTIC_DATA,
      questions: [{ type, name }],
      additionals: [
        { type: "OPT", name: ".", udpPayloadSize: UDP_BYTES, flags: 0, options: [] } as unknown as Answer,
      ],
    };
    const deadline = { ...this.#deadline, ms: ATTEMPT_MS };
    const answer = await within(deadline, (signal) => overUdp(this.#resolver, query, signal));
    return answer.flag_tc ? within(deadline, (signal) => overTcp(this.#resolver, query, signal)) : answer;
  }

  #read<K extends RecordKind>(packet: DecodedPacket, type: K): DnsResult<K> {
    const { rcode } = packet as DecodedPacket & { readonly rcode: string };
    const isSecure = packet.flag_ad && this.isLocal;
    if (rcode === NXDOMAIN) return { kind: "no-such-name", isSecure };
    if (rcode !== "NOERROR") return { kind: "failed", reason: rcode };
    const answers = packet.answers ?? [];
    const records = answers.filter((answer): answer is RecordOf<K> => answer.type === type);
    const isAlias = answers.some((answer) => answer.type === "CNAME");
    return records.length === 0 ? { kind: "none", isSecure } : { kind: "found", records, isSecure, isAlias };
  }
}

/** Whether a packet answers this query: anyone may send to the port. */
function isAnswerTo(packet: DecodedPacket, { id, questions }: Packet): boolean {
  const [asked] = questions ?? [];
  const [echoed] = packet.questions ?? [];
  return (
    packet.type === "response" &&
    packet.id === id &&
    echoed?.type === asked?.type &&
    echoed?.name.toLowerCase() === asked?.name.toLowerCase()
  );
}

async function overUdp(
  { host, port }: ResolverAddress,
  query: Packet,
  signal: AbortSignal,
): Promise<DecodedPacket> {
  const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
  try {
    return await new Promise((resolve, reject) => {
      onAbort(signal, reject);
      socket.on("error", reject);
      socket.on("message", (message) => {
        const packet = decoded(() => decode(message));
        if (packet !== null && isAnswerTo(packet, query)) resolve(packet);
      });
      // Connected: the kernel drops what other addresses send.
      socket.connect(port, host, () => socket.send(encode(query)));
    });
  } finally {
    socket.close();
  }
}

async function overTcp(
  { host, port }: ResolverAddress,
  query: Packet,
  signal: AbortSignal,
): Promise<DecodedPacket> {
  const socket = connect({ host, port });
  try {
    return await new Promise((resolve, reject) => {
      onAbort(signal, reject);
      let received = Buffer.alloc(0);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the resolver closed the connection")));
      socket.on("connect", () => socket.write(streamEncode(query)));
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk]);
        if (received.length > MAX_TCP_BYTES) reject(new Error("the answer is too large"));
        const packet = decoded(() => streamDecode(received) as DecodedPacket);
        if (packet !== null && isAnswerTo(packet, query)) resolve(packet);
      });
    });
  } finally {
    socket.destroy();
  }
}

/** null = it is not a packet, or not all of one. */
function decoded(read: () => DecodedPacket): DecodedPacket | null {
  try {
    return read();
  } catch {
    return null;
  }
}
