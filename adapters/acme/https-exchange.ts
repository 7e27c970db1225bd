/** One request over HTTPS and its whole answer. */

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request } from "node:https";
import { Unavailable } from "../../core/errors.ts";

export interface HttpsRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Upper bound of the answer's body. */
  readonly maxBytes: number;
  /** Ends the exchange, connecting included. */
  readonly signal: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends one request and reads its answer; a redirect is an answer. @throws Unavailable */
export type HttpsExchange = (request: HttpsRequest) => Promise<HttpsAnswer>;

/**
 * Exchanges with one CA. A connection serves one request: an order has a dozen in minutes, and a kept one may
 * be dead after a function was frozen.
 *
 * @param who the CA in messages.
 * @param caPem certificates that its own must lead to; null = those that Node trusts.
 */
export function httpsExchange(who: string, caPem: string | null): HttpsExchange {
  const trust = caPem === null ? {} : { ca: caPem };
  return async ({ method, url, headers, body, maxBytes, signal }) => {
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        // No agent is shared: nothing is left open, and the trust of one CA is never another's.
        const outgoing = request(url, { ...trust, method, headers, signal, agent: false });
        outgoing.once("response", resolve);
        outgoing.on("error", reject);
        outgoing.end(body);
      });
      const { statusCode: status = 0 } = answer;
      return { status, headers: answer.headers, body: await wholeBody(answer, maxBytes) };
    } catch (error) {
      if (error instanceof AnswerTooLarge)
        throw new Unavailable(`${who} sent more than ${String(maxBytes)} bytes`, { cause: error });
      const reason = signal.aborted ? "in time" : `(${systemCodeOf(error)})`;
      throw new Unavailable(`${who} does not answer ${reason}`, { cause: error });
    }
  };
}

class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

async function wholeBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A body that ends before its announced length, or before its last chunk, throws ECONNRESET.
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop destroys the connection.
    if (bytes > maxBytes) throw new AnswerTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`: what to look for. Never a text of the other side. */
export function systemCodeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "no reason known";
}
