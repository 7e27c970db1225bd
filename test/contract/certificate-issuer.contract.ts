import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CertificateIssuer } from "../../core/management/certificate-issuer.ts";
import { parsePemBundle } from "../../core/x509/pem-bundle.ts";
import { NotFound } from "../../core/errors.ts";
import { certificateId } from "../support/records.ts";

/** An issuer, and operations that the port does not have. */
export interface CertificateIssuerUnderTest {
  readonly issuer: CertificateIssuer;
  /** Resolves when the order has been issued. */
  issued(arn: string): Promise<void>;
  close(): Promise<void>;
}

export interface CertificateIssuerContract {
  readonly name: string;
  readonly create: () => Promise<CertificateIssuerUnderTest>;
}

const names = ["mx.example.com", "*.mail.example.com"];

/** The contract of the port CertificateIssuer (core/management/certificate-issuer.ts). */
export function certificateIssuerContract(contract: CertificateIssuerContract): void {
  describe(`the certificate issuer ${contract.name}`, () => {
    let subject: CertificateIssuerUnderTest;
    let n = 0;
    beforeEach(async () => {
      subject = await contract.create();
    });
    afterEach(() => subject.close());

    /** Ids are the orders' idempotency: each test has its own. */
    const order = () => {
      n += 1;
      return subject.issuer.order({ id: certificateId(Date.now() + n), names, keyType: "rsa-2048" });
    };

    it("accepts an order, shows the DNS records that prove each name, and issues", async () => {
      const arn = await order();
      const pending = await subject.issuer.describe(arn);
      expect(pending.validation.map(({ domain }) => domain)).toEqual(names.toSorted());
      for (const { name, value } of pending.validation) {
        expect(name).toMatch(/^_[0-9a-f]+\.(?:mx|mail)\.example\.com\.$/);
        expect(value).toMatch(/\.acm-validations\.aws\.$/);
      }
      await subject.issued(arn);
      expect(await subject.issuer.describe(arn)).toMatchObject({ kind: "issued", problem: null });
      await subject.issuer.delete(arn);
    });

    it("treats the same id as the same order", async () => {
      const id = certificateId(Date.now() + 500_000);
      const first = await subject.issuer.order({ id, names, keyType: "ecdsa-p256" });
      expect(await subject.issuer.order({ id, names, keyType: "ecdsa-p256" })).toBe(first);
      await subject.issuer.delete(first);
    });

    it("exports an issued certificate as a bundle that can be served, with a new passphrase each time", async () => {
      const arn = await order();
      await subject.issued(arn);
      const bundle = await subject.issuer.export(arn);
      const { names: carried, keys } = parsePemBundle(bundle, { nowMs: Date.now() });
      expect(carried.toSorted()).toEqual(names.toSorted());
      const state = await subject.issuer.describe(arn);
      expect(state).toMatchObject({ notAfter: keys[0]?.notAfter });
      expect(bundle.privateKeyPem).toContain("ENCRYPTED PRIVATE KEY");
      expect(bundle.privateKeyPassphrase).toMatch(/^[\w-]{43}$/);
      expect((await subject.issuer.export(arn)).privateKeyPassphrase).not.toBe(bundle.privateKeyPassphrase);
      await subject.issuer.delete(arn);
    });

    it("deletes a certificate, and a second deletion is not an error", async () => {
      const arn = await order();
      await subject.issuer.delete(arn);
      await subject.issuer.delete(arn);
      await expect(subject.issuer.describe(arn)).rejects.toBeInstanceOf(NotFound);
      await expect(subject.issuer.export(arn)).rejects.toBeInstanceOf(NotFound);
    });
  });
}
