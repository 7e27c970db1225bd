import type { EdgeListener } from "../../worker/config/listener-config.ts";
import type { TrustStoreContent } from "../../core/x509/trust-anchors.ts";
import { createHash } from "node:crypto";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { KeyVault, VaultName } from "../../core/store/key-vault.ts";
import { encodeMaterial, type CertificateMaterial } from "../../core/x509/serving-material.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import type { DeliveryTarget } from "../../core/delivery/delivery.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import { NotFound, Unreadable } from "../../core/errors.ts";
import { createTrustResolver } from "../../core/policy/trust.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import { buildSnapshot } from "../../core/snapshot/snapshot.ts";
import type { UnreadableItem } from "../../core/store/store.ts";
import { type Edge, type EdgeOptions, type ServingOptions, startEdge } from "../../worker/edge/edge.ts";
import { DEFAULT_LIMITS, type Limits } from "../../worker/config/limits.ts";
import type { EdgeEvent } from "../../worker/event/edge-event.ts";
import type { SessionRecord } from "../../worker/event/session-record.ts";
import type { MessageOptions } from "../../worker/session/message-transfer.ts";
import type { DeliveryOptions } from "../../worker/session/recipient-admission.ts";
import type { JudgingOptions } from "../../core/policy/recipient-judge.ts";
import { issueServer, type IssuedCertificate } from "./pki.ts";
import { certificateRecord, trustStoreRecord } from "./records.ts";
import { type RecordingDelivery, recordingDelivery } from "./recording-delivery.ts";

/** Settings of a test, before they are a snapshot. */
export interface TestSettings {
  readonly revision?: number;
  readonly domains?: readonly DomainRecord[];
  readonly certificates?: readonly CertificateRecord[];
  readonly trustStores?: readonly (readonly [TrustStoreRecord, TrustStoreContent])[];
  readonly unreadable?: readonly UnreadableItem[];
}

/** A snapshot of these settings. A host serves the certificate of the first domain that names it with one. */
export function snapshotOf(settings: TestSettings): Snapshot {
  const { revision = 17, domains = [], certificates = [], trustStores = [], unreadable = [] } = settings;
  const hosts = new Map<string, MxHost>();
  for (const { account, mxHosts, tls } of domains) {
    for (const host of mxHosts) {
      const known = hosts.get(host);
      const certificateId = known?.certificateId ?? tls.server.certificateId;
      hosts.set(host, { host, account, certificateId, domainCount: (known?.domainCount ?? 0) + 1 });
    }
  }
  const contents = new Map(trustStores.map(([record, content]) => [record.contentSha256, content]));
  return buildSnapshot(
    {
      revision,
      domains,
      mxHosts: [...hosts.values()],
      certificates,
      trustStores: trustStores.map(([record]) => record),
      unreadable,
    },
    contents,
  );
}

/** A trust store of these PEM texts, named by their hash. */
export function trustStoreOf(
  id: TrustStoreRecord["id"],
  certificatesPem: string,
  crlPem: string | null = null,
): readonly [TrustStoreRecord, TrustStoreContent] {
  const contentSha256 = createHash("sha256")
    .update(`${certificatesPem}\n${crlPem ?? ""}`)
    .digest("hex");
  return [trustStoreRecord({ id, contentSha256 }), { certificatesPem, crlPem }];
}

/** Key material in memory. */
export interface MemoryVault extends Pick<KeyVault, "get"> {
  /** Stores a version and gives the record that names it. */
  add(record: Partial<CertificateRecord>, keys: readonly IssuedCertificate[]): CertificateRecord;
  remove(name: VaultName): void;
}

export function memoryVault(): MemoryVault {
  const objects = new Map<VaultName, Uint8Array>();
  return {
    add(record, keys) {
      const bytes = encodeMaterial(materialOf(...keys));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const version = record.material?.version ?? 1;
      const made = certificateRecord({ ...record, material: { version, sha256 } });
      objects.set(`keys/${made.id}/${version}`, bytes);
      return made;
    },
    remove(name) {
      objects.delete(name);
    },
    async get(name, sha256) {
      const bytes = objects.get(name);
      if (bytes === undefined) throw new NotFound(name);
      if (createHash("sha256").update(bytes).digest("hex") !== sha256) throw new Unreadable(name);
      return bytes;
    },
  };
}

/** What the vault and the default certificate are made of. */
export function materialOf(...keys: readonly IssuedCertificate[]): CertificateMaterial {
  return {
    keys: keys.map((key) => ({
      keyType: key.privateKey.asymmetricKeyType === "rsa" ? "rsa-2048" : "ecdsa-p256",
      privateKeyPem: key.privateKeyPem,
      certificateChainPem: key.bundlePem,
    })),
  };
}

/** Options of an edge that a test may set, ungrouped. */
export interface EdgeOptionsForTests
  extends Pick<EdgeOptions, "name" | "clock" | "onEvent">,
    Omit<DeliveryOptions, "target">,
    ServingOptions,
    JudgingOptions,
    MessageOptions {
  readonly delivery: DeliveryTarget;
}

export interface TestEdgeOptions extends Partial<EdgeOptionsForTests> {
  readonly settings?: TestSettings | null;
  readonly listeners?: readonly Partial<EdgeListener>[];
  readonly limits?: Partial<Limits>;
  readonly recording?: RecordingDelivery;
}

export interface TestEdge {
  readonly edge: Edge;
  readonly delivery: RecordingDelivery;
  readonly events: EdgeEvent[];
  /** Of the first listener, or of the one named. */
  port(listener?: string): number;
  /** Puts other settings in force for new connections; null = there are none. */
  replace(settings: TestSettings | null): void;
  /** Events of one kind so far. */
  seen<Kind extends EdgeEvent["kind"]>(kind: Kind): readonly Extract<EdgeEvent, { kind: Kind }>[];
  /** The record of the nth session that ended; waits for it. */
  record(index?: number): Promise<SessionRecord>;
  stop(): Promise<void>;
}

const DEFAULT_NAME = "edge.example.net";
const ownCertificate = issueServer({ names: [DEFAULT_NAME] });

/** Options of an edge that a test is not about. */
export const edgeDefaults = () =>
  ({
    name: DEFAULT_NAME,
    postmaster: null,
    ciphers: null,
    lineEnds: "refuse",
    longLines: "pass",
    staleForMs: () => 0,
    vault: memoryVault(),
    defaultCertificate: materialOf(ownCertificate),
    trust: createTrustResolver([]),
    chainVerifier: null,
    routeOf: () => parseOperatorDelivery("maildir:/nowhere"),
    clock: { now: () => Date.now() },
  }) satisfies Partial<EdgeOptionsForTests>;

/** The same options, grouped as an edge and its sessions take them. */
export function grouped(flat: Omit<EdgeOptionsForTests, "onEvent">) {
  const { name, clock, ciphers, vault, defaultCertificate, trust, chainVerifier, staleForMs } = flat;
  const { lineEnds, longLines, delivery: target, routeOf, postmaster } = flat;
  return {
    name,
    clock,
    serving: { ciphers, vault, defaultCertificate },
    judging: { trust, chainVerifier, staleForMs },
    messages: { lineEnds, longLines },
    delivery: { target, routeOf, postmaster },
  };
}

/** The whole edge on loopback, with settings in memory and a delivery that records. */
export async function startTestEdge(options: TestEdgeOptions = {}): Promise<TestEdge> {
  const { settings = {}, listeners = [{}], limits, recording, ...rest } = options;
  const events: EdgeEvent[] = [];
  const waiting: (() => void)[] = [];
  const delivery = recording ?? recordingDelivery();
  let snapshot = settings === null ? null : snapshotOf(settings);
  const edge = await startEdge({
    ...grouped({ ...edgeDefaults(), delivery, ...rest }),
    limits: { ...DEFAULT_LIMITS, ...limits },
    listeners: listeners.map((listener, index) => ({
      name: `smtp-${String(index)}`,
      host: "127.0.0.1",
      port: 0,
      dedicatedTo: null,
      proxyFrom: null,
      ...listener,
    })),
    snapshot: () => snapshot,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
      for (const wake of waiting.splice(0)) wake();
    },
  });
  const seen: TestEdge["seen"] = (kind) => events.filter((event) => event.kind === kind) as never;
  return {
    edge,
    delivery,
    events,
    seen,
    port(name) {
      const found = edge.listeners.find((listener) => name === undefined || listener.name === name);
      if (found === undefined) throw new Error(`no listener ${String(name)}`);
      return found.port;
    },
    replace(next) {
      snapshot = next === null ? null : snapshotOf(next);
    },
    async record(index = 0) {
      for (;;) {
        const ended = seen("session-ended")[index];
        if (ended !== undefined) return ended.record;
        await new Promise<void>((resolve) => void waiting.push(resolve));
      }
    },
    stop: () => edge.drain(0),
  };
}
