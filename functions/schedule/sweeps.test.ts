import { describe, expect, it } from "vitest";
import type { Issuance } from "../../core/management/issuance.ts";
import type { Advance } from "../../core/management/acm-certificates.ts";
import type { AcmOrder, CertificateRecord } from "../../core/record/certificate.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import { materialName, type VaultName } from "../../core/store/key-vault.ts";
import { Unavailable } from "../../core/errors.ts";
import { LOG_EVENTS } from "../../core/log-event.ts";
import type { SnapshotBackup } from "../../core/store/snapshot-backup.ts";
import { certificateId, certificateRecord, name } from "../../test/support/records.ts";
import { contents, ScriptedStore } from "../../test/support/settings-feed.ts";
import { UNUSED_OWNERSHIP } from "../../test/support/unused-ownership.ts";
import { readScheduleEvent } from "./schedule-event.ts";
import { runTask, SweepFailed } from "./sweeps.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const arnOf = (n: number): string => `arn:aws:acm:eu-central-1:123456789012:certificate/0000-${n}`;

function acmCertificate(n: number, status: AcmOrder["status"]): CertificateRecord {
  const acm = { arn: arnOf(n), status, validation: [], problem: null };
  return certificateRecord({ id: certificateId(n), source: "acm", acm });
}

function start(
  certificates: readonly CertificateRecord[],
  outcome: (id: CertificateId) => Advance = () => "unchanged",
  issuance: (id: CertificateId) => Issuance = () => "unchanged",
  mayGoOn: () => boolean = () => true,
) {
  const store = new ScriptedStore();
  store.contents = {
    ...contents(4, []),
    certificates,
    mxHosts: certificates.map(({ id }, n) => ({
      host: name(`mx${n}.example`),
      account: "default",
      certificateId: id,
      domainCount: 1,
    })),
  };
  store.head = 4;
  const lines: Readonly<Record<string, unknown>>[] = [];
  const advanced: CertificateId[] = [];
  const written: SnapshotBackup[] = [];
  const deleted: VaultName[] = [];
  const takenOver: string[] = [];
  const run = (event: unknown) =>
    runTask(readScheduleEvent(event), {
      store,
      backups: { read: async () => null, write: async (backup) => void written.push(backup) },
      vault: {
        async *writtenBefore() {
          yield materialName(certificateId(77), 1);
        },
        delete: async (object) => {
          deleted.push(object);
          return true;
        },
      },
      issuance: { advance: async (id) => issuance(id) },
      ownership: UNUSED_OWNERSHIP,
      mayGoOn,
      acm: {
        advance: async (id) => {
          advanced.push(id);
          return outcome(id);
        },
      },
      takeOver: async () => {
        takenOver.push("taken over");
        return 18;
      },
      region: "eu-west-1",
      now: () => NOW,
      peakMemory: () => 512 * 1024 ** 2 + 1,
      log: (logged, fields) => lines.push({ level: LOG_EVENTS[logged], event: logged, ...fields }),
    });
  const line = (event: string) => lines.find((each) => each["event"] === event);
  return { run, store, line, lines, advanced, written, deleted, takenOver };
}

const acmEvent = (...resources: readonly string[]) => ({
  version: "0",
  id: "1",
  "detail-type": "ACM Certificate Available",
  source: "aws.acm",
  account: "123456789012",
  time: "2026-11-24T12:00:00Z",
  region: "eu-central-1",
  resources,
  detail: { Action: "RENEWAL", DaysToExpiry: 60, CommonName: "mx.example.com" },
});

describe("the schedule", () => {
  it("takes over in the region that is named, and in no other", async () => {
    const { run, takenOver, line } = start([]);
    await expect(run({ takeOver: "eu-central-1" })).rejects.toThrow("is in eu-west-1, not in eu-central-1");
    expect(takenOver).toEqual([]);
    await run({ takeOver: "eu-west-1" });
    expect(takenOver).toHaveLength(1);
    expect(line("region-taken-over")).toEqual({
      level: "info",
      event: "region-taken-over",
      region: "eu-west-1",
      revision: 18,
    });
  });

  it("puts the snapshot away", async () => {
    const { run, written, line } = start([certificateRecord()]);
    await run({ sweep: "backup" });
    expect(written).toMatchObject([{ at: "2026-11-24T12:00:00.000Z", contents: { revision: 4 } }]);
    expect(line("backup-swept")).toMatchObject({ level: "info", revision: 4, read: "everything" });
  });

  it("says how many days the first certificate in use has left, and names those that end soon", async () => {
    const soon = certificateRecord({ id: certificateId(2) });
    const keys = soon.keys.map((key) => ({ ...key, notAfter: "2026-12-04T12:00:00.000Z" }));
    const { run, line } = start([certificateRecord(), { ...soon, keys }]);
    await run({ sweep: "expiry" });
    expect(line("expiry-swept")).toMatchObject({ soonestDays: 10, active: 1, expiring: 1 });
    expect(line("certificate-expiring")).toMatchObject({
      level: "warn",
      id: certificateId(2),
      daysLeft: 10,
      hosts: 1,
    });
  });

  it("says no days where no certificate is in use", async () => {
    const { run, line } = start([]);
    await run({ sweep: "expiry" });
    expect(line("expiry-swept")).not.toHaveProperty("soonestDays");
  });

  it("advances each certificate that Postern makes or orders by itself, and counts what came of it", async () => {
    const ours = [2, 3, 4].map((n) => certificateRecord({ id: certificateId(n), source: "self-signed" }));
    const others = (["pem", "request", "acm"] as const).map((source, n) =>
      certificateRecord({ id: certificateId(10 + n), source }),
    );
    const looked: CertificateId[] = [];
    const { run, line } = start([...others, ...ours], undefined, (id) => {
      looked.push(id);
      if (id === certificateId(3)) throw new Unavailable("the CA test does not answer");
      return id === certificateId(4) ? "issued" : "unchanged";
    });
    await run({ sweep: "issuance" });
    expect(looked).toEqual(ours.map(({ id }) => id));
    expect(line("certificate-issued")).toMatchObject({ level: "info", id: certificateId(4) });
    expect(line("certificate-issuance-failed")).toMatchObject({
      level: "error",
      id: certificateId(3),
      message: "the CA test does not answer",
    });
    expect(line("issuance-swept")).toMatchObject({ unchanged: 1, issued: 1, failed: 1 });
  });

  it("advances those that end first, and leaves the others to the next sweep when its time is over", async () => {
    const ends = [40, 5, 20].map((days, n) => {
      const base = certificateRecord({ id: certificateId(n + 2), source: "self-signed" });
      const notAfter = new Date(NOW + days * 24 * 3_600_000).toISOString();
      return { ...base, keys: base.keys.map((key) => ({ ...key, notAfter })) };
    });
    const looked: CertificateId[] = [];
    const note = (id: CertificateId): "waiting" => {
      looked.push(id);
      return "waiting";
    };
    const { run, line } = start(ends, undefined, note, () => looked.length < 2);
    await run({ sweep: "issuance" });
    expect(looked).toEqual([certificateId(3), certificateId(4)]);
    expect(line("issuance-swept")).toMatchObject({ waiting: 2, left: 1 });
  });

  it("brings orders that wait up to date every hour, and all of ACM's every day", async () => {
    const all = [
      certificateRecord(),
      acmCertificate(2, "pending"),
      acmCertificate(3, "issued"),
      acmCertificate(4, "failed"),
    ];
    const hourly = start(all);
    await hourly.run({ sweep: "expiry" });
    expect(hourly.advanced).toEqual([certificateId(2)]);
    const daily = start(all, () => "exported");
    await daily.run({ sweep: "renewals" });
    expect(daily.advanced).toEqual([certificateId(2), certificateId(3), certificateId(4)]);
    expect(daily.line("renewals-swept")).toMatchObject({ exported: 3, failed: 0 });
  });

  it("exports at once what ACM says it has renewed, and passes over certificates of others", async () => {
    const { run, advanced } = start(
      [acmCertificate(2, "issued"), acmCertificate(3, "issued")],
      () => "exported",
    );
    await run(acmEvent(arnOf(3), arnOf(9)));
    expect(advanced).toEqual([certificateId(3)]);
    await run(acmEvent(arnOf(9)));
    expect(advanced).toHaveLength(1);
  });

  it("brings the others up to date when one cannot be, and then fails", async () => {
    const { run, advanced, line } = start(
      [acmCertificate(2, "issued"), acmCertificate(3, "issued")],
      (id) => {
        if (id === certificateId(2)) throw new Unavailable("no answer");
        return "exported";
      },
    );
    await expect(run({ sweep: "renewals" })).rejects.toBeInstanceOf(SweepFailed);
    expect(advanced).toHaveLength(2);
    expect(line("certificate-update-failed")).toMatchObject({ id: certificateId(2), error: "Unavailable" });
    expect(line("renewals-swept")).toMatchObject({ exported: 1, failed: 1 });
  });

  it("deletes keys that nothing names, unless something cannot be read", async () => {
    const { run, deleted, line } = start([certificateRecord()]);
    await run({ sweep: "clean-up" });
    expect(deleted).toEqual([materialName(certificateId(77), 1)]);
    expect(line("clean-up-swept")).toMatchObject({ deleted: 1 });
    const held = start([]);
    const item = { kind: "certificate", id: "x", problem: "not JSON" } as const;
    held.store.contents = { ...contents(4, []), unreadable: [item] };
    await held.run({ sweep: "clean-up" });
    expect(held.deleted).toEqual([]);
    expect(held.line("clean-up-skipped")).toMatchObject({ level: "error", unreadable: 1 });
  });

  it("fails when the store does not answer, so that it is tried again", async () => {
    const { run, store, written } = start([]);
    store.contents = new Unavailable("no answer");
    for (const sweep of ["backup", "expiry", "renewals", "clean-up"])
      await expect(run({ sweep })).rejects.toBeInstanceOf(Unavailable);
    expect(written).toEqual([]);
  });

  it.each([
    null,
    {},
    "backup",
    { sweep: "all" },
    { ...acmEvent(), source: "aws.ec2" },
    { source: "aws.acm" },
  ])("refuses the event %j", (event) => {
    expect(() => readScheduleEvent(event)).toThrow("neither a sweep");
  });
});
