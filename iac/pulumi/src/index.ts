import {
  type CustomResourceOptions,
  CustomResource,
  type Input,
  mergeOptions,
  type Output,
  secret,
} from "@pulumi/pulumi";
import type {
  Certificate as CertificateRecord,
  CertificateInput,
  Domain as DomainRecord,
  DomainInput,
  TrustStore as TrustStoreRecord,
  TrustStoreInput,
} from "../../../sdk/src/index.ts";
import type { Connection } from "./connection.ts";

/** A value whose parts may be outputs of other resources. */
type Deep<T> = Input<
  T extends readonly (infer Each)[]
    ? readonly Deep<Each>[]
    : T extends object
      ? { readonly [Key in keyof T]: Deep<T[Key]> }
      : T
>;
type Args<T> = { readonly [Key in keyof T]: Deep<T[Key]> };
type ArgsOfEach<T> = T extends unknown ? Args<T> : never;

interface Placed {
  /** Takes over the record that has the name (of a domain) or label, where there is one. */
  readonly adopt?: boolean;
  /** The gate and the caller, kept as a secret; `POSTERN_URL` and `POSTERN_TOKEN` if left out. */
  readonly connection?: Deep<Connection>;
}

export type DomainArgs = Placed & { readonly name: Input<string> } & Args<Omit<DomainInput, "name">>;
/** `certificatePem` is public unless it holds the key too; every key and passphrase is kept as a secret. */
export type CertificateArgs = Placed & ArgsOfEach<CertificateInput>;
export type TrustStoreArgs = Placed & Args<TrustStoreInput>;

type Handler = "domain" | "certificate" | "trustStore";

/**
 * Text that Pulumi's dynamic provider runs for a resource. Written by hand: Pulumi's serializer of functions
 * needs an API of TypeScript that ended with version 6, and would put the whole SDK into each state.
 */
const handlerOf = (name: Handler): string =>
  `exports.handler = () => require("@postern/pulumi/provider").${name}();`;

/** Hidden in previews and encrypted in the state, also where a program did not mark them. */
const SECRETS = ["connection", "privateKeyPem", "privateKeyPassphrase", "pkcs12", "passphrase"];

interface Declared {
  readonly type: "Domain" | "Certificate" | "TrustStore";
  readonly handler: Handler;
  readonly args: object;
  /** Members that the API adds. */
  readonly outputs: readonly string[];
}

const typeOf = (type: Declared["type"]): string => `pulumi-nodejs:dynamic/postern:${type}`;

function propertiesOf({ handler, args, outputs }: Declared): Record<string, unknown> {
  const given = Object.entries(args).map(([key, value]: [string, unknown]) => [
    key,
    SECRETS.includes(key) && value !== undefined ? secret(value) : value,
  ]);
  const added = outputs.map((key) => [key, undefined]);
  return { ...Object.fromEntries(added), ...Object.fromEntries(given), __provider: handlerOf(handler) };
}

const optionsOf = (options: CustomResourceOptions): CustomResourceOptions =>
  mergeOptions(options, { additionalSecretOutputs: SECRETS });

/** A domain and its rules of TLS. */
export class Domain extends CustomResource {
  declare readonly name: Output<string>;
  /** Settings in force, with all defaults. */
  declare readonly applied: Output<Pick<DomainRecord, "mxHosts" | "tls" | "delivery" | "labels">>;
  declare readonly revision: Output<number>;
  declare readonly warnings: Output<DomainRecord["warnings"]>;

  constructor(name: string, args: DomainArgs, options: CustomResourceOptions = {}) {
    const outputs = ["applied", "revision", "warnings"];
    const properties = propertiesOf({ type: "Domain", handler: "domain", args, outputs });
    super(typeOf("Domain"), name, properties, optionsOf(options));
  }
}

/** A certificate that MX hosts serve. */
export class Certificate extends CustomResource {
  declare readonly state: Output<CertificateRecord["state"]>;
  declare readonly notAfter: Output<CertificateRecord["notAfter"]>;
  /** Signing requests of keys that wait for their certificate. */
  declare readonly requests: Output<CertificateRecord["requests"]>;
  /** Records of the DNS that a CA asks for. */
  declare readonly validation: Output<CertificateRecord["validation"]>;
  declare readonly revision: Output<number>;

  constructor(name: string, args: CertificateArgs, options: CustomResourceOptions = {}) {
    const outputs = ["state", "notAfter", "requests", "validation", "revision"];
    const properties = propertiesOf({ type: "Certificate", handler: "certificate", args, outputs });
    super(typeOf("Certificate"), name, properties, optionsOf(options));
  }
}

/** CAs whose client certificates a domain takes. */
export class TrustStore extends CustomResource {
  declare readonly contentSha256: Output<TrustStoreRecord["contentSha256"]>;
  declare readonly revision: Output<number>;

  constructor(name: string, args: TrustStoreArgs, options: CustomResourceOptions = {}) {
    const outputs = ["contentSha256", "revision"];
    const properties = propertiesOf({ type: "TrustStore", handler: "trustStore", args, outputs });
    super(typeOf("TrustStore"), name, properties, optionsOf(options));
  }
}
