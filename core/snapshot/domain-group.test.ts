import { describe, expect, it } from "vitest";
import { type DomainParts, domainRecord, name, trustStoreId } from "../../test/support/records.ts";
import type { DomainRecord, TlsException } from "../record/domain.ts";
import { DomainGroup } from "./domain-group.ts";

const [T1, T2] = [trustStoreId(1), trustStoreId(2)];

const exception = (parts: Partial<TlsException>): TlsException => ({
  match: { clientCidr: "192.0.2.0/24" },
  reason: "test",
  ...parts,
});

/** One that asks for a certificate, unless `parts` say otherwise. */
const asking = (text: string, parts: DomainParts = {}): DomainRecord =>
  domainRecord({
    name: text,
    clientCertificate: { mode: "request" },
    trustStoreIds: [T1],
    ...parts,
  });
const notAsking: DomainParts = { clientCertificate: { mode: "none" }, trustStoreIds: [T2] };

const idsOf = (group: DomainGroup) => group.commonTrust()?.trustStoreIds ?? null;

describe("the one trust of a group", () => {
  it.each([
    ["of no domain", [], null],
    ["of a domain that does not ask", [asking("a.example", notAsking)], null],
    ["of one that asks", [asking("a.example")], [T1]],
    ["of two with the same", [asking("a.example"), asking("b.example")], [T1]],
    ["of two with different ones", [asking("a.example"), asking("b.example", { trustStoreIds: [T2] })], null],
    ["of one that asks and one that does not", [asking("a.example"), asking("b.example", notAsking)], [T1]],
    [
      "of one that an exception makes ask",
      [asking("a.example", { ...notAsking, exceptions: [exception({ clientCertificateMode: "request" })] })],
      [T2],
    ],
    [
      "of one whose exceptions do not ask",
      [
        asking("a.example", {
          ...notAsking,
          exceptions: [exception({ clientCertificateMode: "none" }), exception({ level: "require" })],
        }),
      ],
      null,
    ],
  ])("%s", (_, domains, expected) => {
    expect(idsOf(DomainGroup.of(domains))).toEqual(expected);
    const oneByOne = domains.reduce((group, domain) => group.with(domain.name, domain), DomainGroup.EMPTY);
    expect(idsOf(oneByOne)).toEqual(expected);
  });

  it("does not depend on the order in which it is written", () => {
    const both = asking("a.example", { trustStoreIds: [T1, T2] });
    const turned = asking("b.example", { trustStoreIds: [T2, T1] });
    expect(idsOf(DomainGroup.of([both, turned]))).toHaveLength(2);
  });

  it("stays until the last domain that has it goes", () => {
    const loaded = DomainGroup.of([asking("a.example"), asking("b.example"), asking("c.example", notAsking)]);
    const one = loaded.with(name("a.example"), undefined);
    expect(idsOf(one)).toEqual([T1]);
    expect(idsOf(one.with(name("b.example"), undefined))).toBeNull();
    expect(idsOf(one.with(name("b.example"), asking("b.example", notAsking)))).toBeNull();
    expect(idsOf(loaded)).toEqual([T1]);
  });
});
