import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { signRequest } from "../../test/support/certificate-request-signer.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

const ANY = { "If-Match": "*" };
const NAMES = ["mx.example.com"];
const ca = makeCa();

const create = async (api: ApiUnderTest, body: object): Promise<Json> =>
  (await api.expect(201, "POST", "/v1/certificates", { body: { names: NAMES, ...body } })).json;
const act = async (api: ApiUnderTest, { id }: Json, part: string, body?: object): Promise<Json> => {
  const method = part === "material" ? "PUT" : "POST";
  const options = body === undefined ? { headers: ANY } : { body, headers: ANY };
  return (await api.expect(200, method, `/v1/certificates/${id}/${part}`, options)).json;
};
const pinsOf = (list: readonly Json[]): readonly string[] => list.map(({ spkiPin }) => spkiPin);
const upload = (keyType: "ecdsa-p256" | "rsa-2048" = "ecdsa-p256") => {
  const { bundlePem, privateKeyPem } = issueServer({ names: NAMES, ca, keyType });
  return { certificatePem: bundlePem, privateKeyPem };
};
const signed = ({ csrPem }: Json) => ({ certificatePem: signRequest(csrPem, ca, { names: NAMES }) });

describe("a rollback across an upload", () => {
  it("to a self-signed version has Postern renew it again, with its key and its life", async () => {
    const api = await startApi();
    const made = await create(api, { source: "self-signed", days: 60 });
    const patch = { body: { renewal: { key: "new" } }, headers: ANY };
    await api.expect(200, "PATCH", `/v1/certificates/${made.id}`, patch);
    expect(await act(api, made, "material", upload())).toMatchObject({ source: "pem", renewsAt: null });
    const back = await act(api, made, "rollback", { version: 1 });
    expect(back).toMatchObject({ source: "self-signed", renewal: { by: "postern", key: "new" } });
    expect(back.renewsAt).toBe(made.renewsAt);
    const renewed = await act(api, made, "renew");
    expect(Date.parse(renewed.notAfter) - Date.parse(renewed.notBefore)).toBe(
      Date.parse(made.notAfter) - Date.parse(made.notBefore),
    );
    const forth = await act(api, made, "rollback", { version: 2 });
    expect(forth).toMatchObject({ source: "pem", renewsAt: null, renewal: { by: "operator", key: null } });
    expect(await act(api, made, "rollback", { version: 1 })).toMatchObject({ source: "self-signed" });
  });

  it("from a version of next keys leaves none of them", async () => {
    const api = await startApi();
    const made = await create(api, { source: "self-signed" });
    await act(api, made, "material", upload());
    await act(api, made, "rollback", { version: 1 });
    await act(api, made, "next-key");
    expect(await act(api, made, "rollback", { version: 2 })).toMatchObject({ source: "pem", nextKeys: [] });
  });

  it("to a version of a signing request shows the request again, and takes its next certificate", async () => {
    const api = await startApi();
    const made = await create(api, { source: "request" });
    await act(api, made, "material", signed(made.requests[0]));
    expect(await act(api, made, "material", upload())).toMatchObject({ source: "pem" });
    const back = await act(api, made, "rollback", { version: 1 });
    expect([back.source, pinsOf(back.requests)]).toEqual(["request", pinsOf(made.requests)]);
    const renewed = await act(api, made, "material", signed(back.requests[0]));
    expect([renewed.source, pinsOf(renewed.keys)]).toEqual(["request", pinsOf(made.requests)]);
    const forth = await act(api, made, "rollback", { version: 2 });
    expect([forth.source, forth.requests]).toEqual(["pem", undefined]);
  });

  it("to the operator's key, uploaded while a request waited, makes no request", async () => {
    const api = await startApi();
    const made = await create(api, { source: "request", keyTypes: ["ecdsa-p256", "rsa-2048"] });
    expect(await act(api, made, "material", upload("rsa-2048"))).toMatchObject({ source: "request" });
    await act(api, made, "material", upload("ecdsa-p256"));
    expect(await act(api, made, "material", { ...upload(), otherSlot: "remove" })).toMatchObject({
      source: "request",
    });
    await api.expect(200, "DELETE", `/v1/certificates/${made.id}/next-key`, { headers: ANY });
    expect(await act(api, made, "material", upload())).toMatchObject({ source: "pem" });
    const back = await act(api, made, "rollback", { version: 1 });
    expect([back.source, back.requests, back.nextKeys]).toEqual(["pem", undefined, []]);
  });
});

describe("a rollback from two keys to one", () => {
  it("keeps the request of the other, which waits for its certificate again", async () => {
    const api = await startApi();
    const made = await create(api, { source: "request", keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const [ecdsa, rsa] = made.requests;
    await act(api, made, "material", signed(rsa));
    await act(api, made, "material", signed(ecdsa));
    const back = await act(api, made, "rollback", { version: 1 });
    expect(pinsOf(back.keys)).toEqual([rsa.spkiPin]);
    expect(pinsOf(back.nextKeys)).toEqual([ecdsa.spkiPin]);
    const both = await act(api, made, "material", signed(ecdsa));
    expect([pinsOf(both.keys), both.nextKeys]).toEqual([pinsOf(made.requests), []]);
  });

  it("across an upload makes the request of the other again", async () => {
    const api = await startApi();
    const made = await create(api, { source: "request", keyTypes: ["ecdsa-p256", "rsa-2048"] });
    const [ecdsa, rsa] = made.requests;
    await act(api, made, "material", signed(rsa));
    await act(api, made, "material", signed(ecdsa));
    const { certificatePem, privateKeyPem } = upload("rsa-2048");
    const own = upload();
    await act(api, made, "material", {
      certificatePem: certificatePem + own.certificatePem,
      privateKeyPem: privateKeyPem + own.privateKeyPem,
    });
    const back = await act(api, made, "rollback", { version: 1 });
    expect(pinsOf(back.requests).toSorted()).toEqual(pinsOf(made.requests).toSorted());
    const both = await act(api, made, "material", signed(ecdsa));
    expect([both.source, pinsOf(both.keys)]).toEqual(["request", [ecdsa.spkiPin, rsa.spkiPin]]);
  });
});
