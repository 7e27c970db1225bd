import type { CertificateInput, Domain } from "../../../sdk/src/index.ts";
import { isObject, schemaMistakes, withDefaults } from "./file-schema.ts";
import { type Mistake, Mistakes } from "./mistakes.ts";
import { type PemBlock, pemBlocks, uploaded } from "./pem.ts";
import { type Path, readYaml, type YamlText } from "./yaml-text.ts";

export type Labels = Readonly<Record<string, string>>;

/** What the API keeps of a domain that a caller writes. */
export type DomainSettings = Pick<Domain, "mxHosts" | "tls" | "delivery" | "acknowledgedWarnings" | "labels">;

/** A domain of the file, every default filled in; what it names by label is beside its settings. */
export interface WantedDomain {
  readonly settings: DomainSettings;
  readonly certificate: string | null;
  readonly trustStores: readonly string[];
}

export interface WantedTrustStore {
  readonly certificates: readonly PemBlock[];
  readonly crls: readonly PemBlock[];
  readonly labels: Labels;
}

/** A request of the API for a certificate, without its label and keys. */
export type CertificateOrder = Exclude<CertificateInput, { readonly source: "pem" | "pkcs12" }>;

export interface WantedCertificate {
  /** null = an upload. */
  readonly order: CertificateOrder | null;
  /** Empty = none in the file. */
  readonly material: readonly PemBlock[];
  readonly privateKeyFile: string | null;
  readonly renewalKey: "keep" | "new" | null;
  readonly labels: Labels;
}

/** `postern.yaml` with its files. */
export interface PosternFile {
  readonly name: string | null;
  readonly trustStores: ReadonlyMap<string, WantedTrustStore>;
  readonly certificates: ReadonlyMap<string, WantedCertificate>;
  readonly domains: ReadonlyMap<string, WantedDomain>;
  readonly placeOf: YamlText["placeOf"];
}

/** Of files beside the YAML file. */
export interface FileEffects {
  /** Text of a file by its path relative to the YAML file. @throws with a message for people */
  readonly readBeside: (path: string) => Promise<string>;
  /** Absolute path of such a file. */
  readonly pathBeside: (path: string) => string;
}

export const MANAGED_BY = "managed-by";

interface Sections {
  readonly name?: string;
  readonly trustStores?: Readonly<Record<string, Entry>>;
  readonly certificates?: Readonly<Record<string, Entry>>;
  readonly domains?: Readonly<Record<string, unknown>>;
}
type Entry = Readonly<Record<string, unknown>>;

/** @throws Mistakes */
export async function readPosternFile(text: string, effects: FileEffects): Promise<PosternFile> {
  const yaml = readYaml(text);
  const mistakes = schemaMistakes(yaml);
  if (mistakes.length > 0) throw new Mistakes(mistakes);
  const { name = null, trustStores = {}, certificates = {}, domains = {} } = yaml.value as Sections;
  const reader = new EntryReader(yaml, effects, name);
  const file = {
    name,
    trustStores: new Map<string, WantedTrustStore>(),
    certificates: new Map<string, WantedCertificate>(),
    domains: new Map(
      Object.entries(domains).map(([domain, entry]) => [domain, reader.domain(domain, entry)] as const),
    ),
    placeOf: yaml.placeOf,
  };
  for (const [label, entry] of Object.entries(trustStores))
    file.trustStores.set(label, await reader.trustStore(label, entry));
  for (const [label, entry] of Object.entries(certificates))
    file.certificates.set(label, await reader.certificate(label, entry));
  if (reader.mistakes.length > 0) throw new Mistakes(reader.mistakes);
  return file;
}

class EntryReader {
  readonly mistakes: Mistake[] = [];
  readonly #yaml: YamlText;
  readonly #effects: FileEffects;
  readonly #name: string | null;

  constructor(yaml: YamlText, effects: FileEffects, name: string | null) {
    this.#yaml = yaml;
    this.#effects = effects;
    this.#name = name;
  }

  domain(name: string, entry: unknown): WantedDomain {
    const filled = withDefaults("DomainInput", entry) as DomainSettings;
    const { server, clientCertificate, ...tls } = filled.tls;
    const { certificate = null, ...itsServer } = server as typeof server & { certificate?: string };
    const { trustStores = [], ...trust } = clientCertificate.trust as typeof clientCertificate.trust & {
      trustStores?: readonly string[];
    };
    if (certificate !== null && itsServer.certificateId !== null)
      this.#report(
        ["domains", name, "tls", "server", "certificate"],
        "certificateId is given too: leave one",
      );
    const settings = {
      ...filled,
      tls: { ...tls, server: itsServer, clientCertificate: { ...clientCertificate, trust } },
      labels: this.#labels(filled.labels),
    };
    return { settings, certificate, trustStores };
  }

  async trustStore(label: string, entry: Entry): Promise<WantedTrustStore> {
    const at = ["trustStores", label];
    const certificates = await this.#pem(entry, { at, field: "certificates", kind: "CERTIFICATE" });
    if (certificates === null) this.#report(at, "certificatesFile is missing", "key");
    const crls = await this.#pem(entry, { at, field: "crl", kind: "X509 CRL" });
    return { certificates: certificates ?? [], crls: crls ?? [], labels: this.#labels(entry["labels"]) };
  }

  async certificate(label: string, entry: Entry): Promise<WantedCertificate> {
    const at = ["certificates", label];
    const leaf = await this.#pem(entry, { at, field: "certificate", kind: "CERTIFICATE" });
    const chain = await this.#pem(entry, { at, field: "chain", kind: "CERTIFICATE" });
    const { labels, renewalKey = null, privateKeyFile, ...order } = entry;
    if (entry["source"] === "pem" && leaf === null) this.#report(at, "certificateFile is missing", "key");
    if (chain !== null && leaf === null) this.#report(at, "a chain needs certificateFile", "key");
    if (entry["keyType"] !== undefined && entry["keyTypes"] !== undefined)
      this.#report([...at, "keyTypes"], "keyType is given too: leave one");
    const material = [
      ...new Map([...(leaf ?? []), ...(chain ?? [])].map((block) => [block.sha256, block])).values(),
    ];
    this.#checkReadable(material, [...at, "certificatePem" in entry ? "certificatePem" : "certificateFile"]);
    return {
      order: entry["source"] === "pem" ? null : (withoutPem(order) as CertificateOrder),
      material,
      privateKeyFile: typeof privateKeyFile === "string" ? this.#effects.pathBeside(privateKeyFile) : null,
      renewalKey: renewalKey as WantedCertificate["renewalKey"],
      labels: this.#labels(labels),
    };
  }

  #labels(labels: unknown): Labels {
    const own = isObject(labels) ? (labels as Labels) : {};
    return this.#name === null ? own : { [MANAGED_BY]: this.#name, ...own };
  }

  /** Blocks that `<field>File` or `<field>Pem` has; null = neither is given. */
  async #pem(
    entry: Entry,
    { at, field, kind }: { at: Path; field: string; kind: "CERTIFICATE" | "X509 CRL" },
  ): Promise<readonly PemBlock[] | null> {
    const [file, inline] = [entry[`${field}File`], entry[`${field}Pem`]];
    const where = [...at, file === undefined ? `${field}Pem` : `${field}File`];
    if (file !== undefined && inline !== undefined)
      this.#report(where, `${field}Pem is given too: leave one`);
    const text = typeof file === "string" ? await this.#fileText(file, where) : inline;
    if (typeof text !== "string") return file === undefined ? null : [];
    const blocks = pemBlocks(text, kind);
    if (blocks.length === 0)
      this.#report(where, `no ${kind === "CERTIFICATE" ? "certificate" : "CRL"} in PEM`);
    return blocks;
  }

  async #fileText(path: string, where: Path): Promise<string | null> {
    try {
      return await this.#effects.readBeside(path);
    } catch (error) {
      this.#report(where, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #checkReadable(material: readonly PemBlock[], at: Path): void {
    try {
      if (material.length > 0) uploaded(material);
    } catch {
      this.#report(at, "a certificate that cannot be read");
    }
  }

  #report(path: Path, message: string, part: "key" | "value" = "value"): void {
    this.mistakes.push({ ...this.#yaml.placeOf(path, part), message });
  }
}

const PEM_FIELDS: ReadonlySet<string> = new Set([
  "certificateFile",
  "certificatePem",
  "chainFile",
  "chainPem",
]);

const withoutPem = (order: Entry): Entry =>
  Object.fromEntries(Object.entries(order).filter(([field]) => !PEM_FIELDS.has(field)));
