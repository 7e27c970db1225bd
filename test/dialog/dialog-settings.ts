import type { CertificateRecord } from "../../core/record/certificate.ts";
import { parseNamePattern } from "../../core/name/domain-name.ts";
import type { DomainRecord, ExceptionMatch, TlsException, TlsSettings } from "../../core/record/domain.ts";
import type { UnreadableItem } from "../../core/store/store.ts";
import { CAS, isClientKind, pinOf } from "../support/client-kinds.ts";
import { issueServer } from "../support/pki.ts";
import { certificateId, domainRecord, name, trustStoreId } from "../support/records.ts";
import type { MemoryVault, TestSettings } from "../support/test-edge.ts";
import { trustStoreOf } from "../support/test-edge.ts";

/** `key=value` words as an object; a word without `=` is a flag. */
export function options(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      return at === -1 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

export function oneOf<T extends string>(
  allowed: readonly T[],
  text: string | undefined,
  what: string,
): T | undefined {
  if (text === undefined) return undefined;
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new Error(`${what}=${text}: expected one of ${allowed.join(", ")}`);
  return found;
}

const list = (text: string | undefined): readonly string[] =>
  text === undefined || text === "" ? [] : text.split(",");

const TRUST_STORES = { partner: trustStoreId(1), other: trustStoreId(2), broken: trustStoreId(3) } as const;

/** Gathers `!settings` and `!exception` lines. */
export class DialogSettings {
  readonly #domains = new Map<string, DomainRecord>();
  readonly #unreadable: UnreadableItem[] = [];
  readonly #vault: MemoryVault;
  readonly #certificates: CertificateRecord[] = [];

  constructor(vault: MemoryVault) {
    this.#vault = vault;
  }

  /** `!settings NAME key=value…` */
  add([domain = "", ...words]: readonly string[]): void {
    const given = options(words);
    if ("unreadable" in given) {
      this.#unreadable.push({ kind: "domain", id: domain, problem: "made so by the test" });
      return;
    }
    const mxHosts = list(given["mx"] ?? `mx.${domain}`);
    const server: Partial<TlsSettings["server"]> = {
      level: oneOf(["none", "accept", "require"], given["level"], "level") ?? "accept",
      minVersion: oneOf(["TLSv1.2", "TLSv1.3"], given["min"], "min") ?? "TLSv1.2",
      certificateId: "certificate" in given ? this.#certificate(mxHosts) : null,
    };
    const clientCertificate: TlsSettings["clientCertificate"] = {
      mode: oneOf(["none", "request", "require"], given["mode"], "mode") ?? "none",
      trust: {
        publicRoots: false,
        trustStoreIds: list(given["trust"]).map((store) => trustStore(store)),
        pins: list(given["pins"]).map((kind) => pin(kind)),
      },
      names: {
        match: oneOf(["any", "helo", "list"], given["match"], "match") ?? "helo",
        allowed: list(given["allowed"]).map((text) => parseNamePattern(text)),
      },
      purpose:
        oneOf(["clientAuth", "clientAuthOrServerAuth"], given["purpose"], "purpose") ??
        "clientAuthOrServerAuth",
    };
    const enforcement =
      oneOf(["observe", "defer", "reject"], given["enforcement"], "enforcement") ?? "reject";
    const delivery =
      given["delivery"] === undefined ? null : { nextHop: given["delivery"], tls: "require" as const };
    this.#domains.set(
      domain,
      domainRecord({ name: domain, mxHosts, server, clientCertificate, enforcement, delivery }),
    );
  }

  /** `!exception DOMAIN cidr=… sender=… client=… recipient=… level=… mode=… expires=past|future` */
  addException([domain = "", ...words]: readonly string[]): void {
    const record = this.#domains.get(domain);
    if (record === undefined) throw new Error(`!exception: ${domain} has no !settings yet`);
    const given = options(words);
    const match: ExceptionMatch = {
      clientCidr: given["cidr"],
      senderDomain: given["sender"] === undefined ? undefined : name(given["sender"]),
      clientName: given["client"] === undefined ? undefined : name(given["client"]),
      recipient: given["recipient"],
    };
    const expires = { past: "2020-01-01T00:00:00.000Z", future: "2999-01-01T00:00:00.000Z" };
    const expiry = oneOf(["past", "future"], given["expires"], "expires");
    const exception: TlsException = {
      match,
      level: oneOf(["none", "accept", "require"], given["level"], "level"),
      clientCertificateMode: oneOf(["none", "request", "require"], given["mode"], "mode"),
      reason: "dialog",
      expiresAt: expiry === undefined ? undefined : expires[expiry],
    };
    const exceptions = [...record.tls.exceptions, exception];
    this.#domains.set(domain, { ...record, tls: { ...record.tls, exceptions } });
  }

  #certificate(names: readonly string[]): ReturnType<typeof certificateId> {
    const id = certificateId(this.#certificates.length + 1);
    this.#certificates.push(this.#vault.add({ id, names }, [issueServer({ names })]));
    return id;
  }

  build(): TestSettings {
    return {
      domains: [...this.#domains.values()],
      certificates: this.#certificates,
      unreadable: this.#unreadable,
      // Domains name `broken`, which has no content: no chain can be judged by it.
      trustStores: [
        trustStoreOf(TRUST_STORES.partner, CAS.partner.rootPem),
        trustStoreOf(TRUST_STORES.other, CAS.other.rootPem),
      ],
    };
  }
}

function trustStore(text: string): (typeof TRUST_STORES)[keyof typeof TRUST_STORES] {
  const known = oneOf(["partner", "other", "broken"], text, "trust");
  if (known === undefined) throw new Error("trust: a name");
  return TRUST_STORES[known];
}

function pin(kind: string): string {
  if (!isClientKind(kind)) throw new Error(`pins=${kind}: no such client certificate`);
  return pinOf(kind);
}
