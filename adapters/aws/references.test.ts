import { describe, expect, it } from "vitest";
import { certificateId, domainRecord, name, trustStoreId } from "../../test/support/records.ts";
import { commitOf } from "../../test/contract/store-under-test.ts";
import { referenceChanges } from "./references.ts";
import { domainOfTrustStoreKey, domainOnHostKey, hostOfCertificateKey } from "./table-keys.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [T, U] = [trustStoreId(1), trustStoreId(2)];
const a = name("a.example");
const [mx1, mx2] = [name("mx1.example"), name("mx2.example")];
const before = domainRecord({ name: a, mxHosts: [mx1], trustStoreIds: [T] });
const after = domainRecord({ name: a, mxHosts: [mx2, mx2], trustStoreIds: [U] });
const serving = (host: typeof mx1, id: typeof X) => ({
  host,
  account: "default",
  certificateId: id,
  domainCount: 1,
});

describe("references of a write", () => {
  it("follow what a domain names, each once", () => {
    expect(referenceChanges(commitOf({ kind: "domain", id: a, before, after }))).toEqual([
      { key: domainOnHostKey(mx2, "default", a), becomes: "present" },
      { key: domainOfTrustStoreKey(U, a), becomes: "present" },
      { key: domainOnHostKey(mx1, "default", a), becomes: "absent" },
      { key: domainOfTrustStoreKey(T, a), becomes: "absent" },
    ]);
  });

  it("are none where nothing that is named changes", () => {
    expect(referenceChanges(commitOf({ kind: "domain", id: a, before, after: before }))).toEqual([]);
  });

  it("all go with the domain", () => {
    const changes = referenceChanges(commitOf({ kind: "domain", id: a, before, after: null }));
    expect(changes.map(({ becomes }) => becomes)).toEqual(["absent", "absent"]);
  });

  it("follow the certificate that a host serves", () => {
    const hosts = [
      { host: mx1, before: serving(mx1, X), after: serving(mx1, Y) },
      { host: mx2, before: serving(mx2, X), after: null },
    ];
    expect(referenceChanges(commitOf({ kind: "domain", id: a, before, after: before }, { hosts }))).toEqual([
      { key: hostOfCertificateKey(Y, mx1), becomes: "present" },
      { key: hostOfCertificateKey(X, mx1), becomes: "absent" },
      { key: hostOfCertificateKey(X, mx2), becomes: "absent" },
    ]);
  });
});
