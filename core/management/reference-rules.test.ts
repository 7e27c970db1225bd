import type { AnchorLimits } from "../x509/anchor-limits.ts";
import { describe, expect, it } from "vitest";
import type { ClientCertificateSettings } from "../record/domain.ts";
import {
  certificateId,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import { timestamp } from "../clock.ts";
import { RuleViolation } from "../errors.ts";
import { checkHostsCovered, nothingCanPass } from "./reference-rules.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const ends = (hours: number): string => timestamp(NOW + hours * 3_600_000);

const anchor = (hours: number) => ({
  subject: "CN=x",
  fingerprintSha256: "01",
  notBefore: ends(-100),
  notAfter: ends(hours),
});
const crl = (hours: number) => ({ issuer: "CN=x", thisUpdate: ends(-100), nextUpdate: ends(hours) });
const store = (anchors: number[], crls: number[] = []) =>
  trustStoreRecord({ anchors: anchors.map(anchor), crls: crls.map(crl) });

/** Anchors by the hours for which each has a CRL, in a store with a fresh one. */
const uncovered = (hours: (number | null)[]) =>
  trustStoreRecord({
    anchors: hours.map((each) => ({ ...anchor(9), crlUntil: each === null ? null : ends(each) })),
    crls: [crl(9)],
  });

const requiring = domainRecord({ trustStoreIds: [trustStoreId(1)], clientCertificate: { mode: "require" } });
const requesting = domainRecord({ trustStoreIds: [trustStoreId(1)], clientCertificate: { mode: "request" } });
const byException = domainRecord({
  trustStoreIds: [trustStoreId(1)],
  exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, clientCertificateMode: "require", reason: "x" }],
});
const trusting = (more: object) =>
  domainRecord({
    clientCertificate: {
      mode: "require",
      trust: { publicRoots: false, trustStoreIds: [trustStoreId(1)], pins: [], ...more },
    },
  });

/** A store with one anchor with limits, valid from so many hours from now. */
const limited = (limits: Partial<AnchorLimits>, fromHours = -1) =>
  trustStoreRecord({
    anchors: [
      {
        ...anchor(9),
        notBefore: ends(fromHours),
        limits: { isCa: true, usages: ["clientAuth", "serverAuth"], dnsNames: null, ...limits },
      },
    ],
  });
const judging = (settings: Partial<ClientCertificateSettings>) =>
  domainRecord({ trustStoreIds: [trustStoreId(1)], clientCertificate: { mode: "require", ...settings } });
const listing = judging({ names: { match: "list", allowed: [name("a.example")] } });
const anyName = judging({ names: { match: "any", allowed: [] } });
const clientsOnly = judging({ purpose: "clientAuth" });

describe("nothing can pass", () => {
  it.each([
    ["over anchors that have all expired", requiring, [store([-1, 0])], true],
    ["by an exception alone", byException, [store([-1])], true],
    ["over several such trust stores", requiring, [store([-1]), store([0])], true],
    ["over CRLs that are all stale", requiring, [store([9], [0, -1])], true],
    ["over anchors without a CRL beside others", requiring, [uncovered([null, null])], true],
    ["over anchors whose own CRLs are stale or missing", requiring, [uncovered([-1, null])], true],
    ["over anchors that are not valid yet", requiring, [limited({}, 1)], true],
    ["over one that is not a CA and has no name", requiring, [limited({ isCa: false, dnsNames: [] })], true],
    [
      "over one that is not a CA and has a wildcard",
      requiring,
      [limited({ isCa: false, dnsNames: ["*.a.example"] })],
      true,
    ],
    [
      "over one that is not a CA and is not on the list",
      listing,
      [limited({ isCa: false, dnsNames: ["b.example"] })],
      true,
    ],
    ["over a CA for neither clients nor servers", requiring, [limited({ usages: [] })], true],
    [
      "over a CA for servers where clients alone are accepted",
      clientsOnly,
      [limited({ usages: ["serverAuth"] })],
      true,
    ],
    [
      "but one that is not a CA is on the list",
      listing,
      [limited({ isCa: false, dnsNames: ["a.example"] })],
      false,
    ],
    [
      "but one that is not a CA has a name",
      requiring,
      [limited({ isCa: false, dnsNames: ["a.example"] })],
      false,
    ],
    ["but one that is not a CA has more names than are kept", listing, [limited({ isCa: false })], false],
    ["but any name is accepted", anyName, [limited({ isCa: false, dnsNames: [] })], false],
    ["but a CA for servers will do", requiring, [limited({ usages: ["serverAuth"] })], false],
    ["but one anchor has a CRL in force", requiring, [uncovered([null, 1])], false],
    ["but one trust store needs no CRL", requiring, [uncovered([null]), store([9])], false],
    ["but one anchor is good", requiring, [store([-1, 1])], false],
    ["but one trust store is", requiring, [store([-1]), store([1])], false],
    ["but one CRL is fresh", requiring, [store([9], [-1, 1])], false],
    ["but no certificate is required", requesting, [store([-1])], false],
    ["but there are public roots", trusting({ publicRoots: true }), [store([-1])], false],
    ["but there are pins", trusting({ pins: ["sha256//x"] }), [store([-1])], false],
    ["but one trust store cannot be read", requiring, [store([-1]), null], false],
  ])("%s: %#", (_, domain, stores, expected) => expect(nothingCanPass(domain, stores, NOW)).toBe(expected));
});

const usedBy = (hosts: readonly string[]) =>
  hosts.map((host) => ({
    host: name(host),
    account: "default",
    certificateId: certificateId(1),
    domainCount: 1,
  }));

describe("the hosts that new names of a certificate would miss", () => {
  const hosts = usedBy(["mx.a.example", "mx.b.example"]);
  /** The message of the rule, and how often the hosts were read. */
  const missed = async (
    before: readonly string[] | null,
    after: readonly string[],
    serving: ReturnType<typeof usedBy> = hosts,
  ) => {
    let reads = 0;
    const hostsOfCertificate = async () => {
      reads += 1;
      return serving;
    };
    const change = { id: certificateId(1), before, after };
    const error: unknown = await checkHostsCovered({ hostsOfCertificate }, "/x", change).catch(
      (reason: unknown) => reason,
    );
    return {
      found: error instanceof RuleViolation ? error.issues.map(({ message }) => message) : error,
      reads,
    };
  };
  const both = ["mx.a.example", "mx.b.example"];

  it.each([
    ["the same names in another order", both.toReversed()],
    ["more names", [...both, "*.c.example"]],
  ])("are none with %s, and none is read", async (_, after) => {
    expect(await missed(both, after)).toEqual({ found: undefined, reads: 0 });
  });

  it.each([
    ["a name less", both, ["mx.a.example"], "mx.b.example"],
    ["a record that could not be read", null, ["mx.b.example"], "mx.a.example"],
  ])("are named with %s", async (_, before, after, host) => {
    const message = `the certificate's names do not cover ${host}, which uses it`;
    expect(await missed(before, after)).toEqual({ found: [message], reads: 1 });
  });

  it("are looked for and none with a wildcard in place of a name", async () =>
    expect(await missed(both, ["*.a.example", "mx.b.example"])).toEqual({ found: undefined, reads: 1 }));

  it("are named, at most five of them", async () => {
    const many = usedBy(Array.from({ length: 20 }, (_, n) => `mx${n}.example.com`));
    const { found } = await missed(null, ["mx.a.example"], many);
    expect(found).toEqual([expect.stringContaining("mx4.example.com and 15 more, which use it")]);
  });
});
