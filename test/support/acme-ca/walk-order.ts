import { createCsr } from "../../../core/x509/certificate-request.ts";
import {
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeCa,
  type AcmeOrderRequest,
  type AcmeOrderState,
  dnsChallengeValue,
  keyAuthorization,
} from "../../../core/management/acme-ca.ts";
import { newKey } from "../certificate-writer.ts";
import { waitUntil } from "../peers/wait-until.ts";

/** Where the answers to challenges are put for a CA to find. */
export interface ChallengeAnswers {
  /** TXT values of `_acme-challenge.<name>`, replaced whole. */
  putTxt(name: string, values: readonly string[]): Promise<void> | void;
  /** Content of `http://<any name>/.well-known/acme-challenge/<token>`. */
  putHttp(token: string, content: string): Promise<void> | void;
}

export const newAccountKey = (): string =>
  newKey("ecdsa-p256").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

export async function newAccount(ca: AcmeCa): Promise<AcmeAccount> {
  const privateKeyPem = newAccountKey();
  return { url: await ca.account(privateKeyPem), privateKeyPem };
}

export type ChallengeType = "dns-01" | "http-01";

/** Puts the answers to all pending authorizations of an order, and accepts their challenges. */
export async function answerChallenges(
  ca: AcmeCa,
  account: AcmeAccount,
  {
    order,
    type,
    answers,
  }: { readonly order: AcmeOrderState; readonly type: ChallengeType; readonly answers: ChallengeAnswers },
): Promise<void> {
  const all = await Promise.all(order.authorizations.map((url) => ca.authorization(account, url)));
  const open = all.filter(({ status }) => status === "pending");
  const values = new Map<string, string[]>();
  for (const authorization of open) {
    const content = keyAuthorization(challengeOf(authorization, type).token, account.privateKeyPem);
    const known = values.get(authorization.name) ?? [];
    values.set(authorization.name, [...known, dnsChallengeValue(content)]);
    if (type === "http-01") await answers.putHttp(challengeOf(authorization, type).token, content);
  }
  if (type === "dns-01") for (const [name, each] of values) await answers.putTxt(name, each);
  for (const authorization of open) await ca.accept(account, challengeOf(authorization, type).url);
}

export function challengeOf(
  { challenges, name }: AcmeAuthorization,
  type: ChallengeType,
): { readonly url: string; readonly token: string } {
  const found = challenges.find((each) => each.type === type);
  if (found === undefined || found.token === null) throw new Error(`no ${type} challenge for ${name}`);
  return { url: found.url, token: found.token };
}

const WAITS: readonly string[] = ["pending", "processing"];

/** An order when the CA has stopped working on it. */
export const settled = (ca: AcmeCa, account: AcmeAccount, url: string): Promise<AcmeOrderState> =>
  waitUntil(
    async () => {
      const order = await ca.order(account, url);
      return WAITS.includes(order.status) ? undefined : order;
    },
    { what: "the CA comes to a decision" },
  );

/** The whole way of an order that goes well. @returns leaf and chain. */
export async function obtain(
  ca: AcmeCa,
  account: AcmeAccount,
  {
    privateKeyPem,
    type,
    answers,
    ...request
  }: Partial<AcmeOrderRequest> & {
    readonly names: readonly string[];
    readonly privateKeyPem: string;
    readonly type: ChallengeType;
    readonly answers: ChallengeAnswers;
  },
): Promise<string> {
  const order = await ca.newOrder(account, { profile: null, replaces: null, ...request });
  await answerChallenges(ca, account, { order, type, answers });
  const ready = await settled(ca, account, order.url);
  if (ready.status !== "ready") throw new Error(`the order is ${ready.status}: ${String(ready.problem)}`);
  const csr = await createCsr({ names: request.names, privateKeyPem });
  await ca.finalize(account, ready, csr.der);
  const { certificate, status, problem } = await settled(ca, account, order.url);
  if (certificate === null) throw new Error(`the order is ${status}: ${String(problem)}`);
  return ca.certificate(account, certificate);
}
