import { continuingChain } from "../../core/x509/certificate-chain.ts";
import { randomBytes } from "node:crypto";
import {
  ACMClient,
  type CertificateDetail,
  DeleteCertificateCommand,
  DescribeCertificateCommand,
  ExportCertificateCommand,
  type KeyAlgorithm,
  RequestCertificateCommand,
  type RequestCertificateCommandInput,
} from "@aws-sdk/client-acm";
import type { ValidationRecord } from "../../core/record/certificate.ts";
import type {
  CertificateIssuer,
  CertificateOrder,
  IssuedKeyType,
  OrderState,
} from "../../core/management/certificate-issuer.ts";
import type { PemBundle } from "../../core/x509/pem-bundle.ts";
import { timestamp } from "../../core/clock.ts";
import { NotFound, RuleViolation, StateConflict, Unavailable } from "../../core/errors.ts";
import { CLIENT_OPTIONS } from "./aws-clients.ts";
import type { ServiceCalls } from "./service-calls.ts";

export const createAcmClient = (): ACMClient => new ACMClient(CLIENT_OPTIONS);

const KEY_ALGORITHM = {
  "ecdsa-p256": "EC_prime256v1",
  "ecdsa-p384": "EC_secp384r1",
  "rsa-2048": "RSA_2048",
} as const satisfies Readonly<Record<IssuedKeyType, KeyAlgorithm>>;

/** Which of our certificates an order is for, to people who look at it in AWS's console. */
const TAG = "postern:certificate";
/** As base64url: ACM takes no #, $ or % in a passphrase. */
const PASSPHRASE_BYTES = 32;

/** Names that ACM will not take, and why, in the words of its errors. */
const REFUSED_NAMES: ReadonlySet<string> = new Set([
  "InvalidDomainValidationOptionsException",
  "InvalidParameterException",
  "ValidationException",
]);

export interface AcmIssuerOptions {
  readonly client: ACMClient;
  readonly calls: ServiceCalls;
}

/** Exportable public certificates of AWS Certificate Manager, proved by DNS. */
export class AcmIssuer implements CertificateIssuer {
  readonly #client: ACMClient;
  readonly #calls: ServiceCalls;

  constructor({ client, calls }: AcmIssuerOptions) {
    this.#client = client;
    this.#calls = calls;
  }

  async order({ id, names, keyType }: CertificateOrder): Promise<string> {
    const [first = "", ...others] = names;
    const command = {
      DomainName: first,
      ...(others.length === 0 ? {} : { SubjectAlternativeNames: [...names] }),
      ValidationMethod: "DNS",
      KeyAlgorithm: KEY_ALGORITHM[keyType],
      // Within an hour the same token is the same order: a lost answer orders nothing twice. 31 word
      // characters of 32.
      IdempotencyToken: id,
      Options: { Export: "ENABLED", CertificateTransparencyLoggingPreference: "ENABLED" },
      Tags: [{ Key: TAG, Value: id }],
    } satisfies RequestCertificateCommandInput;
    const { CertificateArn: arn } = await this.#calls.call(async (abortSignal) => {
      try {
        return await this.#client.send(new RequestCertificateCommand(command), { abortSignal });
      } catch (error) {
        throw refusalOf(error);
      }
    });
    if (arn === undefined) throw new Unavailable("ACM gave an order no name");
    return arn;
  }

  async describe(arn: string): Promise<OrderState> {
    const { Certificate: detail } = await this.#known(arn, (abortSignal) =>
      this.#client.send(new DescribeCertificateCommand({ CertificateArn: arn }), { abortSignal }),
    );
    if (detail === undefined) throw new Unavailable("ACM described nothing");
    return stateOf(detail);
  }

  async export(arn: string): Promise<PemBundle> {
    const passphrase = randomBytes(PASSPHRASE_BYTES).toString("base64url");
    const command = { CertificateArn: arn, Passphrase: Buffer.from(passphrase) };
    const exported = await this.#known(arn, (abortSignal) =>
      this.#client.send(new ExportCertificateCommand(command), { abortSignal }),
    );
    const { Certificate: certificatePem, CertificateChain: chain = "", PrivateKey: privateKeyPem } = exported;
    if (certificatePem === undefined || privateKeyPem === undefined)
      throw new Unavailable("ACM exported no certificate, or no key");
    const chainPem = continuingChain(certificatePem, chain);
    return {
      certificatePem,
      ...(chainPem === "" ? {} : { chainPem }),
      privateKeyPem,
      privateKeyPassphrase: passphrase,
    };
  }

  async delete(arn: string): Promise<void> {
    try {
      await this.#known(arn, (abortSignal) =>
        this.#client.send(new DeleteCertificateCommand({ CertificateArn: arn }), { abortSignal }),
      );
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
  }

  /** @throws NotFound, StateConflict, Unavailable */
  async #known<T>(arn: string, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const expected = ["ResourceNotFoundException", "ResourceInUseException", "RequestInProgressException"];
    try {
      return await this.#calls.call(send, expected);
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      if (name === "ResourceNotFoundException")
        throw new NotFound("ACM knows no such certificate", { cause: error });
      if (name === "ResourceInUseException")
        throw new StateConflict("in-use", "something else in the AWS account serves this certificate of ACM");
      if (name === "RequestInProgressException")
        throw new NotFound(`ACM has not issued ${arn} yet`, { cause: error });
      throw error;
    }
  }
}

/**
 * ServiceCalls takes LimitExceededException for throttling, which it is elsewhere: here it is a quota, and
 * waiting is no help.
 */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "LimitExceededException") {
    const message = "the AWS account may order no more certificates, or no more names on one";
    return new RuleViolation([{ pointer: "/names", code: "issuer-limit", message }]);
  }
  if (!REFUSED_NAMES.has(error.name)) return error;
  return new RuleViolation([
    { pointer: "/names", code: "issuer-refuses", message: "ACM does not take these names" },
  ]);
}

/** Why an order is over, by ACM's own statuses. */
const OVER = {
  FAILED: "ACM could not issue it",
  VALIDATION_TIMED_OUT: "the DNS records of validation were not there within 72 hours; order a new one",
  REVOKED: "ACM revoked it",
  EXPIRED: "it expired at ACM without being renewed",
  INACTIVE: "it is inactive at ACM",
} as const;

function stateOf(detail: CertificateDetail): OrderState {
  const validation = validationOf(detail);
  const { Status: status, NotAfter: notAfter, FailureReason: reason } = detail;
  if (status === "ISSUED" && notAfter !== undefined)
    return {
      kind: "issued",
      validation,
      notAfter: timestamp(notAfter.getTime()),
      problem: renewalProblem(detail),
    };
  if (status === undefined || !(status in OVER)) return { kind: "pending", validation };
  const problem = OVER[status as keyof typeof OVER];
  return { kind: "failed", validation, problem: reason === undefined ? problem : `${problem} (${reason})` };
}

function renewalProblem({ RenewalSummary: renewal }: CertificateDetail): string | null {
  switch (renewal?.RenewalStatus) {
    case "PENDING_VALIDATION":
      return "its renewal waits for the DNS records of validation";
    case "FAILED":
      return `its renewal failed (${renewal.RenewalStatusReason ?? "no reason was given"})`;
    default:
      return null;
  }
}

function validationOf({ DomainValidationOptions: options = [] }: CertificateDetail): ValidationRecord[] {
  const records = options.flatMap(({ DomainName: domain, ResourceRecord: record }) =>
    domain === undefined || record?.Name === undefined || record.Value === undefined
      ? []
      : [{ domain, name: record.Name, value: record.Value }],
  );
  // ACM's order changes from one answer to the next.
  return records.toSorted((a, b) => (a.domain < b.domain ? -1 : Number(a.domain > b.domain)));
}
