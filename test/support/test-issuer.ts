import type { KeyObject } from "node:crypto";
import type { ValidationRecord } from "../../core/record/certificate.ts";
import type {
  CertificateIssuer,
  CertificateOrder,
  OrderState,
} from "../../core/management/certificate-issuer.ts";
import type { PemBundle } from "../../core/x509/pem-bundle.ts";
import { NotFound, Unavailable } from "../../core/errors.ts";
import { issueServer, makeCa } from "./pki.ts";

interface Placed {
  readonly order: CertificateOrder;
  state: OrderState;
  leaf: ReturnType<typeof issueServer> | null;
}

const DAY_MS = 24 * 3600 * 1000;

/** An issuer whose orders a test moves on by hand. */
export class TestIssuer implements CertificateIssuer {
  readonly #ca = makeCa();
  readonly #orders = new Map<string, Placed>();
  readonly exports: string[] = [];
  /** Private keys of all that was exported. */
  readonly keys: KeyObject[] = [];
  answers = true;

  /** Names of orders that there are. */
  get arns(): readonly string[] {
    return [...this.#orders.keys()];
  }

  async order(order: CertificateOrder): Promise<string> {
    this.#answer();
    const arn = `arn:test:${order.id}`;
    const known = this.#orders.get(arn);
    if (known === undefined)
      this.#orders.set(arn, {
        order,
        state: { kind: "pending", validation: order.names.map(recordOf) },
        leaf: null,
      });
    return arn;
  }

  async describe(arn: string): Promise<OrderState> {
    this.#answer();
    return this.#placed(arn).state;
  }

  async export(arn: string): Promise<PemBundle> {
    this.#answer();
    const { leaf } = this.#placed(arn);
    if (leaf === null) throw new NotFound("not issued");
    this.exports.push(arn);
    const { certificatePem, privateKeyPem, privateKey } = leaf;
    this.keys.push(privateKey);
    return { certificatePem, privateKeyPem };
  }

  async delete(arn: string): Promise<void> {
    this.#answer();
    this.#orders.delete(arn);
  }

  /** Issues, or renews with another end. */
  issue(
    arn: string,
    { days, problem = null }: { readonly days: number; readonly problem?: string | null },
  ): void {
    const placed = this.#placed(arn);
    const notAfter = new Date(Math.floor((Date.now() + days * DAY_MS) / 1000) * 1000);
    const { names } = placed.order;
    placed.leaf = issueServer({ names, ca: this.#ca, notAfter });
    const validation = names.map(recordOf);
    placed.state = { kind: "issued", validation, notAfter: notAfter.toISOString(), problem };
  }

  set(arn: string, state: OrderState): void {
    this.#placed(arn).state = state;
  }

  #answer(): void {
    if (!this.answers) throw new Unavailable("the issuer does not answer");
  }

  #placed(arn: string): Placed {
    const placed = this.#orders.get(arn);
    if (placed === undefined) throw new NotFound("no such order");
    return placed;
  }
}

const recordOf = (domain: string): ValidationRecord => ({
  domain,
  name: `_abc.${domain.replace("*.", "")}.`,
  value: "_def.acm-validations.aws.",
});
