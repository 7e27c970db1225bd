import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { issueServer } from "../../test/support/pki.ts";

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

const ANY = { "If-Match": "*" };
const DAY_MS = 24 * 3600 * 1000;
/** What one log entry may be: a DynamoDB item holds 400 KB, and an entry has other fields. */
const MAX_ENTRY_BYTES = 350_000;

const STEPS = ["put-ecdsa", "put-rsa", "next-key", "discard", "rotate", "renew", "keep", "new"] as const;
type Step = (typeof STEPS)[number] | { readonly rollback: number } | { readonly days: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...STEPS) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 6 }).map((rollback) => ({ rollback })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 31 }).map((days) => ({ days })) },
);

/** Method, path and body of a step's request; null = the clock moves, and the clean-up runs. */
function requestOf(each: Step): readonly [string, string, unknown?] | null {
  if (typeof each === "object")
    return "rollback" in each ? ["POST", "/rollback", { version: each.rollback }] : null;
  switch (each) {
    case "put-ecdsa":
    case "put-rsa": {
      const keyType = each === "put-rsa" ? "rsa-2048" : "ecdsa-p256";
      const { certificatePem, privateKeyPem } = issueServer({ names: ["mx.example.com"], keyType });
      return ["PUT", "/material", { certificatePem, privateKeyPem }];
    }
    case "discard":
      return ["DELETE", "/next-key"];
    case "keep":
    case "new":
      return ["PATCH", "", { renewal: { key: each } }];
    default:
      return ["POST", `/${each}`];
  }
}

async function take(api: ApiUnderTest, path: string, each: Step): Promise<number> {
  const request = requestOf(each);
  if (request === null) {
    if (typeof each === "object" && "days" in each) api.advance(each.days * DAY_MS);
    const { vault, store } = api;
    if (!(vault instanceof FileKeyVault)) throw new TypeError("the API under test has another vault");
    await cleanUpKeys({ vault, contents: () => store.loadAll(), nowMs: api.clock.now() });
    return 200;
  }
  const [method, part, body] = request;
  const options = body === undefined ? { headers: ANY } : { body, headers: ANY };
  const { status, text } = await api.send(method, `${path}${part}`, options);
  expect(text).not.toContain("PRIVATE KEY");
  expect([200, 400, 422], `${JSON.stringify(each)}: ${text}`).toContain(status);
  return status;
}

const pinsOf = ({ keys }: Json): string[] => keys.map(({ spkiPin }: Json) => spkiPin);

/** What the step must have done to the keys in service. */
function checkKeys(each: Step, before: Json, after: Json): void {
  if (each === "renew" && before.renewal.key === "keep") expect(pinsOf(after)).toEqual(pinsOf(before));
  if (each === "rotate" || (each === "renew" && before.renewal.key === "new"))
    for (const { spkiPin } of before.nextKeys) expect(pinsOf(after)).toContain(spkiPin);
  if (each === "next-key" || each === "discard" || each === "keep" || each === "new")
    expect(pinsOf(after)).toEqual(pinsOf(before));
}

describe("any history of a certificate", () => {
  it("uses no version twice, changes keys as its policy says, and is held by the vault after a clean-up", async () => {
    const history = fc.array(step, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const api = await startApi();
        const body = { source: "self-signed", names: ["mx.example.com"], days: 3650 };
        const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
        const path = `/v1/certificates/${json.id}`;
        const known = new Map<number, string>();
        let before = json;
        for (const each of steps) {
          const status = await take(api, path, each);
          const { json: after } = await api.expect(200, "GET", path);
          if (status === 200) checkKeys(each, before, after);
          else expect(after).toEqual(before);
          const { json: versions } = await api.expect(200, "GET", `${path}/versions`);
          for (const { version, keys } of versions.items) {
            const fingerprints = JSON.stringify(keys);
            expect(known.get(version) ?? fingerprints).toBe(fingerprints);
            known.set(version, fingerprints);
          }
          expect(versions.items[0].version).toBe(after.version);
          await api.expect(200, "GET", `${path}/chain.pem`);
          before = after;
        }
      }),
      // The second version is deleted by the time of the third.
      { numRuns: 30, examples: [[["renew", { rollback: 1 }, { days: 31 }, "renew"]]] },
    );
  });
});

describe("the log entry of a write", () => {
  const bytesOfLast = async ({ store }: ApiUnderTest): Promise<number> => {
    const { entries } = await store.changesAfter((await store.head()) - 1, 1);
    return Buffer.byteLength(JSON.stringify(entries));
  };

  it("fits a DynamoDB item with 1,000 names, two keys and as many retired versions as are listed", async () => {
    const api = await startApi();
    const names = Array.from({ length: 1000 }, (_, index) => `mx${index}.customer-of-the-operator.example`);
    const body = { source: "self-signed", names, keyTypes: ["ecdsa-p256", "rsa-2048"] };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
    for (let version = 2; version <= 32; version++)
      await api.expect(200, "POST", `/v1/certificates/${json.id}/renew`, { headers: ANY });
    expect(await bytesOfLast(api)).toBeLessThan(MAX_ENTRY_BYTES);
    const back = { body: { version: 5 }, headers: ANY };
    const { json: rolledBack } = await api.expect(200, "POST", `/v1/certificates/${json.id}/rollback`, back);
    expect(rolledBack.names).toEqual(names);
  });

  it("fits a DynamoDB item with four signing requests for as many names as one may hold", async () => {
    const api = await startApi();
    const label = "x".repeat(60);
    const names = Array.from({ length: 99 }, (_, index) => `${label}.n${index}.example.com`);
    const body = { source: "request", names, keyTypes: ["ecdsa-p256", "rsa-2048"] };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
    expect(json.requests).toHaveLength(2);
    expect(2 * (await bytesOfLast(api))).toBeLessThan(MAX_ENTRY_BYTES);
  });
});
