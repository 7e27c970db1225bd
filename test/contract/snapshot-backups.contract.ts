import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Unreadable } from "../../core/errors.ts";
import type { BackupRevision } from "../../core/store/lost-settings.ts";
import type { SnapshotBackup, SnapshotBackups } from "../../core/store/snapshot-backup.ts";
import {
  BUILT_AT,
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreRecord,
} from "../support/records.ts";

/** An empty backup storage, and operations that the port does not have. */
export interface SnapshotBackupsUnderTest {
  readonly backups: SnapshotBackups & BackupRevision;
  /** Replaces what is stored by its first `bytes` bytes. */
  cut(bytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface SnapshotBackupsContract {
  readonly name: string;
  readonly create: () => Promise<SnapshotBackupsUnderTest>;
}

const everyKind: SnapshotBackup = {
  at: BUILT_AT,
  contents: {
    revision: 17,
    domains: [
      domainRecord({ name: "a.example", mxHosts: ["mx.a.example"] }),
      domainRecord({ name: "b.example" }),
    ],
    mxHosts: [
      { host: name("mx.a.example"), account: "default", certificateId: certificateId(1), domainCount: 1 },
    ],
    certificates: [certificateRecord({ label: "grün\u2028\n" })],
    trustStores: [trustStoreRecord()],
    unreadable: [{ kind: "domain", id: "c.example", problem: "not JSON" }],
  },
};

/** The contract of the port SnapshotBackups (core/store/snapshot-backup.ts). */
export function snapshotBackupsContract(contract: SnapshotBackupsContract): void {
  describe(`snapshot backups on ${contract.name}`, () => {
    let subject: SnapshotBackupsUnderTest;
    beforeEach(async () => {
      subject = await contract.create();
    });
    afterEach(() => subject.close());

    it("are absent before the first one is written", async () => {
      expect(await subject.backups.read()).toBeNull();
      expect(await subject.backups.revision()).toBeNull();
    });

    it("give their revision, for any size", async () => {
      const domains = Array.from({ length: 3_000 }, (_, n) =>
        domainRecord({ name: `d${n}.example`, mxHosts: [`mx${n * 7919}.example`] }),
      );
      for (const revision of [0, 4711]) {
        await subject.backups.write({ at: BUILT_AT, contents: { ...everyKind.contents, revision, domains } });
        expect(await subject.backups.revision()).toBe(revision);
      }
      await subject.cut(5);
      await expect(subject.backups.revision()).rejects.toBeInstanceOf(Unreadable);
    });

    it("restore every kind of item unchanged", async () => {
      await subject.backups.write(everyKind);
      expect(await subject.backups.read()).toEqual(everyKind);
    });

    it("keep only the last one", async () => {
      await subject.backups.write(everyKind);
      const later = {
        at: "2026-11-25T00:00:00.000Z",
        contents: { ...everyKind.contents, revision: 18, domains: [] },
      };
      await subject.backups.write(later);
      expect(await subject.backups.read()).toEqual(later);
    });

    it("hold ten thousand domains", async () => {
      const domains = Array.from({ length: 10_000 }, (_, n) => domainRecord({ name: `d${n}.example` }));
      const large = { ...everyKind, contents: { ...everyKind.contents, domains } };
      await subject.backups.write(large);
      expect((await subject.backups.read())?.contents.domains).toEqual(domains);
    });

    it.each([0, 1, 30, 200])("never accept the first %i bytes of one as a backup", async (bytes) => {
      await subject.backups.write(everyKind);
      await subject.cut(bytes);
      await expect(subject.backups.read()).rejects.toBeInstanceOf(Unreadable);
    });
  });
}
