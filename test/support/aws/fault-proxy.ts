import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** What becomes of one request. */
export type Fault =
  | { readonly kind: "pass" }
  /** Answered here; the service never hears of it. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly type?: string }
  /** The connection ends before the service hears of it. */
  | { readonly kind: "lost" }
  /** The service does it, and the connection ends instead of an answer. */
  | { readonly kind: "cut" }
  /** The service does it, and half of the answer's body arrives. */
  | { readonly kind: "truncate" }
  /** The service does it, and no answer arrives while the client waits. */
  | { readonly kind: "hang" }
  /** The service does it half of this time later, and its answer takes the other half. */
  | { readonly kind: "slow"; readonly ms: number }
  /** The service's answer, changed. */
  | {
      readonly kind: "change";
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: (body: string) => string;
    };

export interface SeenRequest {
  /** DynamoDB: the action, `TransactWriteItems`. S3: the method. */
  readonly operation: string;
  readonly path: string;
  readonly body: string;
}

export interface FaultProxy {
  readonly endpoint: string;
  /** Every request so far. */
  readonly seen: readonly SeenRequest[];
  /** Faults of the next requests of an operation, one after the other; then all pass. */
  inject(operation: string, ...faults: readonly Fault[]): void;
  /** One fault for every request of an operation from now on. */
  always(operation: string, fault: Fault): void;
  close(): Promise<void>;
}

const PASS: Fault = { kind: "pass" };

/**
 * Stands between the SDK and what answers at `target`, and makes the faults that this never makes by itself.
 */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const seen: SeenRequest[] = [];
  const next = new Map<string, Fault[]>();
  const constant = new Map<string, Fault>();
  const server = createServer((incoming, answer) => {
    void serve(incoming, answer).catch(() => answer.destroy());
  });
  const serve = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const body = await buffer(incoming);
    const operation = operationOf(incoming);
    seen.push({ operation, path: incoming.url ?? "", body: body.toString() });
    const fault = next.get(operation)?.shift() ?? constant.get(operation) ?? PASS;
    await apply({ fault, target, incoming, body, answer });
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    seen,
    inject: (operation, ...faults) => next.set(operation, [...(next.get(operation) ?? []), ...faults]),
    always: (operation, fault) => constant.set(operation, fault),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function operationOf({ headers, method }: IncomingMessage): string {
  const target = headers["x-amz-target"];
  return typeof target === "string" ? (target.split(".")[1] ?? target) : (method ?? "");
}

interface Exchange {
  readonly fault: Fault;
  readonly target: string;
  readonly incoming: IncomingMessage;
  readonly body: Buffer;
  readonly answer: ServerResponse;
}

async function apply(exchange: Exchange): Promise<void> {
  const { fault, answer } = exchange;
  if (fault.kind === "lost") {
    answer.destroy();
    return;
  }
  if (fault.kind === "answer") {
    answer.writeHead(fault.status, { "content-type": fault.type ?? "application/x-amz-json-1.0" });
    answer.end(fault.body);
    return;
  }
  const halfMs = fault.kind === "slow" ? fault.ms / 2 : 0;
  if (halfMs > 0) await sleep(halfMs);
  const { status, headers, body } = await forward(exchange);
  if (halfMs > 0) await sleep(halfMs);
  switch (fault.kind) {
    case "hang":
      return;
    case "cut":
      answer.destroy();
      return;
    case "truncate":
      answer.writeHead(status, { ...headers, "content-length": String(body.length) });
      answer.write(body.subarray(0, Math.floor(body.length / 2)), () => answer.destroy());
      return;
    case "change": {
      const changed = Buffer.from(fault.body?.(body.toString()) ?? body);
      answer.writeHead(status, { ...headers, ...fault.headers, "content-length": String(changed.length) });
      answer.end(changed);
      return;
    }
    case "slow":
    case "pass":
      answer.writeHead(status, headers);
      answer.end(body);
      return;
    default:
      fault satisfies never;
  }
}

async function forward({ target, incoming, body }: Exchange): Promise<{
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}> {
  const outgoing = request(new URL(incoming.url ?? "/", target), {
    method: incoming.method,
    headers: incoming.headers,
    agent: false,
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  // The checksum would tell the SDK of a change.
  const { "transfer-encoding": _, connection: __, "x-amz-crc32": ___, ...headers } = response.headers;
  return { status: response.statusCode ?? 500, headers, body: await buffer(response) };
}

/** An error as DynamoDB answers it. */
export const dynamoDbError = (name: string, status = 400): Fault => ({
  kind: "answer",
  status,
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: "injected" }),
});

/** A transaction that was cancelled, with the reasons of its actions in their order. */
export const cancelled = (...codes: readonly string[]): Fault => ({
  kind: "answer",
  status: 400,
  body: JSON.stringify({
    __type: "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    Message: "injected",
    CancellationReasons: codes.map((Code) => ({ Code })),
  }),
});

/** An error as S3 answers it. */
export const s3Error = (code: string, status: number): Fault => ({
  kind: "answer",
  status,
  type: "application/xml",
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`,
});
