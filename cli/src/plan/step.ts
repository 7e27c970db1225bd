import type { DomainInput, TrustStoreInput } from "../../../sdk/src/index.ts";
import type { FieldChange } from "./differences.ts";
import type { CertificateOrder } from "./postern-file.ts";
import type { Path } from "./yaml-text.ts";

/** Writes of a certificate. PEM is that of certificates, never of keys. */
export interface CertificateWrite {
  /** Of a new certificate; null = an upload. */
  readonly order: CertificateOrder | null;
  readonly certificatePem: string | null;
  readonly privateKeyFile: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly renewalKey: "keep" | "new" | null;
}

export interface DomainWrite {
  readonly put: DomainInput;
  /** Other domains of the file serve another certificate on its hosts until it is written. */
  readonly movesHosts: boolean;
}

interface StepOf<K extends Kind, W> {
  readonly kind: K;
  readonly action: "create" | "update" | "delete";
  /** Name of a domain; label of another record. */
  readonly name: string;
  /** null = a domain, or not created yet. */
  readonly id: string | null;
  /** Revision that the step was planned at; null = there is no such record. */
  readonly revision: number | null;
  readonly changes: readonly FieldChange[];
  /** Senders that the new rule refuses and the one before did not. */
  readonly refuses: readonly string[];
  /** null = a deletion. */
  readonly write: W | null;
}

export type Kind = "trust-store" | "certificate" | "domain";
export type TrustStoreStep = StepOf<"trust-store", TrustStoreInput>;
export type CertificateStep = StepOf<"certificate", CertificateWrite>;
export type DomainStep = StepOf<"domain", DomainWrite>;
export type Step = TrustStoreStep | CertificateStep | DomainStep;

/** Stands for the id of a record that the plan creates. */
export const newId = (kind: Kind, label: string): string => `new:${kind}:${label}`;

/** Reports a mistake at a path of the file. */
export type Report = (path: Path, message: string) => void;
