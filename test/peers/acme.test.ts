import { randomBytes, X509Certificate } from "node:crypto";
import { afterAll, expect, it } from "vitest";
import { type AcmeCa, AcmeProblem } from "../../core/management/acme-ca.ts";
import { createPrivateKeyOf } from "../../core/x509/new-key.ts";
import { acmeCaContract } from "../contract/acme-ca.contract.ts";
import { newAccount, newAccountKey, obtain, settled } from "../support/acme-ca/walk-order.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Pebble, startPebble } from "../support/peers/pebble.ts";

/** Pebble, the CA of Let's Encrypt's tests, with its faults turned on. */

let n = 0;
const newName = (): string => `mx${String((n += 1))}.pebble.example`;

async function issue(pebble: Pebble, ca: AcmeCa): Promise<X509Certificate> {
  const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
  const account = await newAccount(ca);
  const names = [newName()];
  return new X509Certificate(
    await obtain(ca, account, { names, privateKeyPem, type: "dns-01", answers: pebble.answers }),
  );
}

async function problemOf(refused: Promise<unknown>): Promise<AcmeProblem> {
  const error = await refused.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AcmeProblem);
  return error as AcmeProblem;
}

describeWith(["pebble"])("Pebble", () => {
  afterAll(endEverything);

  acmeCaContract({
    name: "Pebble",
    create: async () => {
      const { client, answers } = await startPebble();
      return { ca: client(), answers, close: endEverything };
    },
  });

  it.each(["5", "50"])("issues although it rejects good nonces, %s of a hundred", async (percent) => {
    const pebble = await startPebble({ environment: { PEBBLE_WFE_NONCEREJECT: percent } });
    for (let each = 0; each < 3; each += 1) {
      const { subjectAltName } = await issue(pebble, pebble.client());
      expect(subjectAltName).toBe(`DNS:mx${String(n)}.pebble.example`);
    }
  });

  it("that requires an outside account takes its key, and no other", async () => {
    const eabHmacKey = randomBytes(32);
    const pebble = await startPebble({
      settings: {
        externalAccountBindingRequired: true,
        externalAccountMACKeys: { "kid-1": eabHmacKey.toString("base64url") },
      },
    });
    const bound = pebble.client({ eabKeyId: "kid-1", eabHmacKey });
    const key = newAccountKey();
    const url = await bound.account(key);
    // Found again by the key alone.
    expect(await pebble.client().account(key)).toBe(url);
    expect(await problemOf(pebble.client().account(newAccountKey()))).toMatchObject({
      type: "externalAccountRequired",
    });
    const wrongKey = pebble.client({ eabKeyId: "kid-1", eabHmacKey: randomBytes(32) });
    expect((await problemOf(wrongKey.account(newAccountKey()))).status).toBeGreaterThanOrEqual(400);
    const wrongId = pebble.client({ eabKeyId: "kid-2", eabHmacKey });
    expect((await problemOf(wrongId.account(newAccountKey()))).status).toBeGreaterThanOrEqual(400);
    const missing = pebble.client({ eabKeyId: "kid-1" });
    expect(await problemOf(missing.account(newAccountKey()))).toMatchObject({ status: 0 });
    expect((await issue(pebble, bound)).subjectAltName).toContain("DNS:");
  });

  it("that reuses what was proved asks for no challenge again", async () => {
    const pebble = await startPebble({ environment: { PEBBLE_AUTHZREUSE: "100" } });
    const ca = pebble.client();
    const account = await newAccount(ca);
    const names = [newName()];
    const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
    await obtain(ca, account, { names, privateKeyPem, type: "dns-01", answers: pebble.answers });
    const again = await ca.newOrder(account, { names, profile: null, replaces: null });
    expect(await settled(ca, account, again.url)).toMatchObject({ status: "ready" });
    const found = await ca.authorization(account, again.authorizations[0] ?? "");
    expect(found).toMatchObject({ status: "valid", name: names[0] });
  });

  it("shows a name that it may not issue for as a refusal with the reason", async () => {
    const pebble = await startPebble({ settings: { domainBlocklist: ["blocked.example"] } });
    const ca = pebble.client();
    const account = await newAccount(ca);
    const names = [newName(), "mx.blocked.example"];
    const problem = await problemOf(ca.newOrder(account, { names, profile: null, replaces: null }));
    expect(problem.type).toBe("rejectedIdentifier");
    expect(problem.message).toContain("blocked.example");
  });
});
