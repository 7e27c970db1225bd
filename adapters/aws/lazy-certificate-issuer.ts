import type {
  CertificateIssuer,
  CertificateOrder,
  OrderState,
} from "../../core/management/certificate-issuer.ts";
import type { PemBundle } from "../../core/x509/pem-bundle.ts";
import { ServiceCalls } from "./service-calls.ts";

/** ACM, whose client is loaded by the first call: few requests are about certificates, and fewer about its. */
export class LazyCertificateIssuer implements CertificateIssuer {
  #opened: Promise<CertificateIssuer> | null = null;

  async order(order: CertificateOrder): Promise<string> {
    return (await this.#issuer()).order(order);
  }

  async describe(arn: string): Promise<OrderState> {
    return (await this.#issuer()).describe(arn);
  }

  async export(arn: string): Promise<PemBundle> {
    return (await this.#issuer()).export(arn);
  }

  async delete(arn: string): Promise<void> {
    return (await this.#issuer()).delete(arn);
  }

  #issuer(): Promise<CertificateIssuer> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  async #open(): Promise<CertificateIssuer> {
    const { AcmIssuer, createAcmClient } = await import("./acm-issuer.ts");
    return new AcmIssuer({ client: createAcmClient(), calls: new ServiceCalls("certificate issuer") });
  }
}
