/** Keys and signatures of a write that other writes come before: made once, and one object in the vault. */

import { describe, expect, it } from "vitest";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { Contention } from "../../core/errors.ts";
import { isCertificateId } from "../../core/name/ids.ts";
import type { VaultName } from "../../core/store/key-vault.ts";
import { createSelfSigned } from "../../core/x509/self-signed.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { startIssuance } from "../../test/support/issuance.ts";

const DAY_MS = 24 * 3600 * 1000;
const ANY = { "If-Match": "*" };
type Json = ReturnType<typeof JSON.parse>;

/**
 * A self-signed certificate, how a write of it is refused twice, and what the vault receives. `between` is
 * what another process does after the first refusal.
 */
async function contended(
  body: object = {},
  { renewalKey = "keep", between = none }: { renewalKey?: string; between?: Between } = {},
) {
  const under = await startIssuance();
  const { api } = under;
  const whole = { source: "self-signed", names: ["mx.example.com"], ...body };
  const made: Json = (await api.expect(201, "POST", "/v1/certificates", { body: whole })).json;
  const patch = { body: { renewal: { key: renewalKey } }, headers: ANY };
  await api.expect(200, "PATCH", `/v1/certificates/${made.id}`, patch);
  const put = api.vault.put.bind(api.vault);
  const puts: VaultName[] = [];
  api.vault.put = async (name, bytes) => {
    puts.push(name);
    return put(name, bytes);
  };
  const commit = api.store.commit.bind(api.store);
  let left = 0;
  api.store.commit = async (written) => {
    if (left === 0) return commit(written);
    left -= 1;
    if (left === 1) await between(api, made.id);
    throw new Contention("taken");
  };
  const act = async (action: string): Promise<Json> => {
    left = 2;
    return (await api.expect(200, "POST", `/v1/certificates/${made.id}/${action}`, { headers: ANY })).json;
  };
  const contend = (): void => {
    left = 2;
  };
  return { ...under, made, puts, act, contend };
}

type Between = (api: ApiUnderTest, id: string) => Promise<void>;
const none: Between = async () => undefined;

describe("a write that is built three times", () => {
  it.each([
    ["the key that is kept", "keep"],
    ["a new key", "new"],
  ])("renews with one signature, for %s", async (_, renewalKey) => {
    const { made, puts, act } = await contended({}, { renewalKey });
    expect(await act("renew")).toMatchObject({ version: 2 });
    expect(puts).toEqual([`keys/${made.id}/2`]);
  });

  it("rotates with one signature", async () => {
    const { api, made, puts, act } = await contended();
    await api.expect(200, "POST", `/v1/certificates/${made.id}/next-key`, { headers: ANY });
    puts.length = 0;
    expect(await act("rotate")).toMatchObject({ version: 2, nextKeys: [] });
    expect(puts).toEqual([`keys/${made.id}/2`]);
  });

  it("makes one next key for each slot", async () => {
    const { puts, act } = await contended({ keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const { nextKeys } = await act("next-key");
    expect(nextKeys).toHaveLength(2);
    expect(puts).toHaveLength(2);
  });

  it("renews by the schedule with one signature", async () => {
    const { api, made, puts, contend, open } = await contended({ days: 90 });
    api.advance(70 * DAY_MS);
    let signatures = 0;
    const issuance = open({
      makeSelfSigned: async (...request) => {
        signatures += 1;
        return createSelfSigned(...request);
      },
    });
    if (!isCertificateId(made.id)) throw new TypeError("no id");
    contend();
    expect(await issuance.advance(made.id)).toBe("issued");
    expect(signatures).toBe(1);
    expect(puts).toEqual([`keys/${made.id}/2`]);
  });

  it("signs again for a key that was announced meanwhile, and takes it", async () => {
    let announced: Json = null;
    const between: Between = async ({ database, vault }, id) => {
      const other = await startApi({ store: new SqliteStore(database), vault });
      announced = (await other.expect(200, "POST", `/v1/certificates/${id}/next-key`, { headers: ANY })).json;
    };
    const { act } = await contended({}, { renewalKey: "new", between });
    const renewed = await act("renew");
    expect(renewed.keys.map(({ spkiPin }: Json) => spkiPin)).toEqual([announced.nextKeys[0].spkiPin]);
    expect(renewed.nextKeys).toEqual([]);
  });
});
