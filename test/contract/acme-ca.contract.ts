import { createPrivateKey, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AcmeAccount,
  type AcmeCa,
  AcmeProblem,
  type AcmeOrderRequest,
  renewalId,
} from "../../core/management/acme-ca.ts";
import { NotFound } from "../../core/errors.ts";
import { createCsr } from "../../core/x509/certificate-request.ts";
import { createPrivateKeyOf } from "../../core/x509/new-key.ts";
import { parsePemBundle } from "../../core/x509/pem-bundle.ts";
import {
  answerChallenges,
  challengeOf,
  type ChallengeAnswers,
  newAccount,
  newAccountKey,
  obtain,
  settled,
} from "../support/acme-ca/walk-order.ts";
import { issueServer, makeCa } from "../support/pki.ts";

/** A CA, and where answers to its challenges are put. */
export interface AcmeCaUnderTest {
  readonly ca: AcmeCa;
  readonly answers: ChallengeAnswers;
  close(): Promise<void>;
}

export interface AcmeCaContract {
  readonly name: string;
  /** With the profile `shortlived` of six days, and without external account binding. */
  readonly create: () => Promise<AcmeCaUnderTest>;
}

const DAY_MS = 24 * 3600 * 1000;

/** The contract of the port AcmeCa (core/management/acme-ca.ts). */
export function acmeCaContract(contract: AcmeCaContract): void {
  describe(`the ACME CA ${contract.name}`, () => {
    let subject: AcmeCaUnderTest;
    let ca: AcmeCa;
    let account: AcmeAccount;
    let n = 0;
    beforeAll(async () => {
      subject = await contract.create();
      ({ ca } = subject);
      account = await newAccount(ca);
    });
    afterAll(() => subject.close());

    /** Each test has its own, since a CA may reuse what was proved. */
    const newName = (): string => `mx${String((n += 1))}.acme.example`;
    const order = (names: readonly string[], more: Partial<AcmeOrderRequest> = {}) =>
      ca.newOrder(account, { names, profile: null, replaces: null, ...more });
    const problemOf = async (refused: Promise<unknown>): Promise<AcmeProblem> => {
      const error = await refused.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(AcmeProblem);
      return error as AcmeProblem;
    };
    const issue = async (names: readonly string[], more: Partial<AcmeOrderRequest> = {}) => {
      const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
      return obtain(ca, account, { names, privateKeyPem, type: "dns-01", answers: subject.answers, ...more });
    };

    it("shows what it offers", async () => {
      const directory = await ca.directory();
      expect(directory.hasRenewalInfo).toBe(true);
      expect(directory.caaIdentities.length).toBeGreaterThan(0);
    });

    it("makes an account for a key, and finds it again by the key", async () => {
      const key = newAccountKey();
      const url = await ca.account(key);
      expect(await ca.account(key)).toBe(url);
      expect(await ca.account(newAccountKey())).not.toBe(url);
    });

    it.each(["ecdsa-p256", "ecdsa-p384", "rsa-2048"] as const)(
      "issues for a key of type %s, proved by http-01, leaf first and ready to be served",
      async (keyType) => {
        const names = [newName(), newName()];
        const { privateKeyPem, spkiPin } = await createPrivateKeyOf(keyType);
        const { answers } = subject;
        const pem = await obtain(ca, account, { names, privateKeyPem, type: "http-01", answers });
        const leaf = new X509Certificate(pem);
        expect(leaf.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
        const [first = "", ...rest] = pem.split(/(?<=-----END CERTIFICATE-----\n)/);
        const bundle = { certificatePem: first, chainPem: rest.join(""), privateKeyPem };
        const { names: carried, keys } = parsePemBundle(bundle, { nowMs: Date.now() });
        expect(carried.toSorted()).toEqual(names.toSorted());
        expect(keys).toMatchObject([{ keyType, spkiPin }]);
        expect(leaf.verify(new X509Certificate(rest[0] ?? "").publicKey)).toBe(true);
      },
    );

    it("issues for a name and its wildcard at once, proved by two TXT values of one name", async () => {
      const name = newName();
      const names = [name, `*.${name}`];
      const placed = await order(names);
      const found = await Promise.all(placed.authorizations.map((url) => ca.authorization(account, url)));
      expect(found.map((each) => `${each.name} ${String(each.isWildcard)}`).toSorted()).toEqual([
        `${name} false`,
        `${name} true`,
      ]);
      expect(found.find(({ isWildcard }) => isWildcard)?.challenges.map(({ type }) => type)).not.toContain(
        "http-01",
      );
      const leaf = new X509Certificate(await issue(names));
      expect(leaf.subjectAltName?.split(", ").toSorted()).toEqual(
        names.map((each) => `DNS:${each}`).toSorted(),
      );
    });

    it("shows an order as it goes, and a second finalization as a refusal", async () => {
      const names = [newName()];
      const placed = await order(names);
      expect(placed).toMatchObject({ status: "pending", certificate: null, problem: null });
      const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
      const { der } = await createCsr({ names, privateKeyPem });
      expect(await problemOf(ca.finalize(account, placed, der))).toMatchObject({ type: "orderNotReady" });
      await answerChallenges(ca, account, { order: placed, type: "dns-01", answers: subject.answers });
      const ready = await settled(ca, account, placed.url);
      expect(ready).toMatchObject({ url: placed.url, status: "ready", finalize: placed.finalize });
      await ca.finalize(account, ready, der);
      expect(await settled(ca, account, placed.url)).toMatchObject({ status: "valid" });
      expect(await problemOf(ca.finalize(account, ready, der))).toMatchObject({ type: "orderNotReady" });
    });

    it("refuses a CSR with other names than the order", async () => {
      const placed = await order([newName()]);
      await answerChallenges(ca, account, { order: placed, type: "dns-01", answers: subject.answers });
      const ready = await settled(ca, account, placed.url);
      const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
      const { der } = await createCsr({ names: [newName()], privateKeyPem });
      const problem = await problemOf(ca.finalize(account, ready, der));
      expect(problem.detail).not.toBe("");
    });

    it.each(["dns-01", "http-01"] as const)("shows why a %s validation failed", async (type) => {
      const name = newName();
      const placed = await order([name]);
      const before = await ca.authorization(account, placed.authorizations[0] ?? "");
      const { url, token } = challengeOf(before, type);
      await subject.answers.putTxt(name, ["wrong"]);
      await subject.answers.putHttp(token, "wrong");
      await ca.accept(account, url);
      const { status } = await settled(ca, account, placed.url);
      expect(status).toBe("invalid");
      const after = await ca.authorization(account, before.url);
      expect(after.status).toBe("invalid");
      const challenge = after.challenges.find((each) => each.url === url);
      expect(challenge).toMatchObject({ type, status: "invalid" });
      expect(challenge?.problem).toMatch(/^unauthorized: \w.+/);
    });

    it("goes on with an order whose challenge is accepted twice, as after a lost answer", async () => {
      const placed = await order([newName()]);
      const before = await ca.authorization(account, placed.authorizations[0] ?? "");
      await answerChallenges(ca, account, { order: placed, type: "dns-01", answers: subject.answers });
      const { url } = challengeOf(before, "dns-01");
      // A CA that has validated in the meantime refuses: what is over is not begun again.
      const again = await ca.accept(account, url).catch((error: unknown) => error);
      expect(again === undefined || again instanceof AcmeProblem).toBe(true);
      expect(await settled(ca, account, placed.url)).toMatchObject({ status: "ready" });
      expect(await ca.authorization(account, before.url)).toMatchObject({ status: "valid" });
    });

    it("knows no account, order, authorization, challenge or certificate that it did not make", async () => {
      const { url } = await order([newName()]);
      const stranger = { ...account, url: `${account.url}9999` };
      expect(await problemOf(ca.order(stranger, url))).toMatchObject({ type: "accountDoesNotExist" });
      const unknown = `${url}9999`;
      await expect(ca.order(account, unknown)).rejects.toBeInstanceOf(NotFound);
      const placed = await order([newName()]);
      const [authorizationUrl = ""] = placed.authorizations;
      const { challenges } = await ca.authorization(account, authorizationUrl);
      await expect(ca.authorization(account, `${authorizationUrl}9999`)).rejects.toBeInstanceOf(NotFound);
      await expect(ca.accept(account, `${challenges[0]?.url ?? ""}9999`)).rejects.toBeInstanceOf(NotFound);
      const { url: valid } = placed;
      await expect(ca.certificate(account, `${valid}9999`)).rejects.toBeInstanceOf(NotFound);
    });

    it("shows no order of another account", async () => {
      const { url } = await order([newName()]);
      const other = await newAccount(ca);
      const error = await ca.order(other, url).catch((reason: unknown) => reason);
      expect(error instanceof NotFound || (error as AcmeProblem).type === "unauthorized").toBe(true);
    });

    it("issues by the profile that was asked for, and refuses one that it does not offer", async () => {
      const leaf = new X509Certificate(await issue([newName()], { profile: "shortlived" }));
      const lifeMs = leaf.validToDate.getTime() - leaf.validFromDate.getTime();
      expect(lifeMs).toBeGreaterThan(5 * DAY_MS);
      expect(lifeMs).toBeLessThan(8 * DAY_MS);
      const problem = await problemOf(order([newName()], { profile: "no-such" }));
      expect(problem.type).toBe("invalidProfile");
      expect(problem.detail).toContain("shortlived");
    });

    it("suggests when to renew a certificate, and takes the order that replaces it", async () => {
      const name = newName();
      const pem = await issue([name]);
      const info = await ca.renewalInfo(pem);
      expect(Date.parse(info?.start ?? "")).toBeLessThan(Date.parse(info?.end ?? ""));
      expect(info?.retryAfterMs).toBeGreaterThanOrEqual(60_000);
      const replaces = renewalId(pem);
      expect(replaces).not.toBeNull();
      await issue([name], { replaces });
      expect(await problemOf(order([name], { replaces }))).toMatchObject({ type: "alreadyReplaced" });
    });

    it("knows no time of renewal for a certificate of another CA", async () => {
      const { certificatePem } = issueServer({ names: [newName()], ca: makeCa() });
      expect(await ca.renewalInfo(certificatePem)).toBeNull();
    });
  });
}
