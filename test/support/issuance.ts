import { onTestFinished } from "vitest";
import { createAcmeCas } from "../../adapters/acme/acme-cas.ts";
import type { AcmeCas } from "../../core/management/acme-ca.ts";
import { type ChallengeRecords, firstOf } from "../../core/management/challenge-records.ts";
import { CertificateIssuance, type IssuanceDependencies } from "../../core/management/issuance.ts";
import { createCsr } from "../../core/x509/certificate-request.ts";
import { createSelfSigned } from "../../core/x509/self-signed.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import type { IssuanceState } from "../../core/store/issuance-state.ts";
import { TestAcmeCa } from "./acme-ca/acme-ca.ts";
import type { AuthorityBehaviour } from "./acme-ca/authority.ts";
import { type ApiUnderTest, startApi } from "./api.ts";
import { MemoryIssuanceState } from "./memory-issuance-state.ts";

/** An API, a CA that looks names up where the product publishes them, and the issuance between both. */
export interface IssuanceUnderTest {
  readonly api: ApiUnderTest;
  readonly ca: TestAcmeCa;
  readonly state: IssuanceState;
  /** TXT record sets by name, as DNS has them. */
  readonly dns: Map<string, readonly string[]>;
  /** Names whose records the product publishes; the others are the operator's. */
  readonly published: Set<string>;
  readonly cas: AcmeCas;
  /** Issuance as a process has it; `overrides` break its ports. */
  readonly open: (overrides?: Partial<IssuanceDependencies>) => CertificateIssuance;
  /** Creates a certificate of source `acme` and gives its id. */
  readonly create: (body?: object) => Promise<CertificateId>;
  readonly show: (id: CertificateId) => Promise<ReturnType<typeof JSON.parse>>;
}

/** Everything ends with the test. All clocks are the API's. */
export async function startIssuance(behaviour: Partial<AuthorityBehaviour> = {}): Promise<IssuanceUnderTest> {
  const api = await startApi({ acmeDirectories: ["test"] });
  const { clock, store, vault, loadAtEdge } = api;
  const dns = new Map<string, readonly string[]>();
  const published = new Set<string>(["mx.example.com"]);
  const state = new MemoryIssuanceState(clock);
  const ca = await TestAcmeCa.start({
    now: clock.now,
    lookUpTxt: (name) => dns.get(name) ?? [],
    fetchHttp: async (_name, token) => keyAuthorizationOf(await state.get(`token/${token}`)),
    ...behaviour,
  });
  onTestFinished(() => ca.close());
  const records: ChallengeRecords = {
    publishes: (name) => published.has(name),
    put: async (name, values) => void dns.set(`_acme-challenge.${name}`, values),
    delete: async (name) => void dns.delete(`_acme-challenge.${name}`),
  };
  const { directoryUrl: url, caFile } = ca;
  const { externalAccount = null } = behaviour;
  const cas = createAcmeCas({
    directories: [{ name: "test", url, contact: [], eabKeyId: externalAccount?.keyId ?? null, caFile }],
    readEabKey: async () => externalAccount?.hmacKey ?? null,
    clock,
    release: "test",
    deadlineMs: 2_000,
  });
  let monotonicMs = 0;
  const open = (overrides: Partial<IssuanceDependencies> = {}): CertificateIssuance =>
    new CertificateIssuance({
      store,
      vault,
      state,
      clock,
      loadAtEdge,
      makeSelfSigned: createSelfSigned,
      createCsr,
      retry: {
        now: () => monotonicMs,
        random: () => 0.5,
        // The pauses of an order pass at once.
        sleep: async (ms) => {
          monotonicMs += ms;
        },
      },
      cas,
      records: firstOf([records]),
      readTxt: async (name) => dns.get(name) ?? [],
      ...overrides,
    });
  const create = async (body: object = {}): Promise<CertificateId> => {
    const whole = { source: "acme", directory: "test", names: ["mx.example.com"], ...body };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body: whole });
    return json.id;
  };
  const show = async (id: CertificateId): Promise<ReturnType<typeof JSON.parse>> =>
    (await api.expect(200, "GET", `/v1/certificates/${id}`)).json;
  return { api, ca, state, dns, published, cas, open, create, show };
}

function keyAuthorizationOf(item: Awaited<ReturnType<IssuanceState["get"]>>): string | null {
  const { value } = item ?? {};
  if (typeof value !== "object" || value === null || !("keyAuthorization" in value)) return null;
  return String(value.keyAuthorization);
}

/** The failure that `advance` rejects with; it is in the record too. */
export async function failureOf(under: IssuanceUnderTest, id: CertificateId): Promise<string> {
  const failure = await under
    .open()
    .advance(id)
    .then(
      (outcome) => `no failure: ${outcome}`,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  const { lastError } = await under.show(id);
  if (lastError?.problem !== failure) throw new Error(`shown: ${JSON.stringify(lastError)}, not ${failure}`);
  return failure;
}
