import type { AwsAnswer, AwsRequest } from "./aws-request.ts";
import type { Context } from "./conditions.ts";
import type { Ask } from "./judge.ts";
import { Unmapped } from "./policy.ts";

type Tags = Readonly<Record<string, string>>;

interface AcmBody {
  readonly CertificateArn?: string;
  readonly Tags?: readonly { readonly Key: string; readonly Value?: string }[];
}

const ON_A_CERTIFICATE: ReadonlySet<string> = new Set([
  "DescribeCertificate",
  "ExportCertificate",
  "DeleteCertificate",
]);

/** The account's certificates, as far as requests have made them: tags decide who may touch which. */
export class AskedOfAcm {
  readonly #tags = new Map<string, Tags>();

  /** @throws Unmapped */
  before({ operation, body, common, arn }: AwsRequest): readonly Ask[] {
    const { CertificateArn = "", Tags: list } = JSON.parse(body.toString()) as AcmBody;
    if (ON_A_CERTIFICATE.has(operation)) {
      const tags = contextOf("aws:resourcetag/", this.#tags.get(CertificateArn) ?? {});
      return [{ action: `acm:${operation}`, resource: CertificateArn, context: { ...common, ...tags } }];
    }
    if (operation !== "RequestCertificate") throw new Unmapped(`acm ${operation}`);
    const tags = tagsOf(list);
    const context = {
      ...common,
      ...contextOf("aws:requesttag/", tags),
      "aws:tagkeys": Object.keys(tags),
    };
    const order: Ask = { action: "acm:RequestCertificate", resource: "*", context };
    if (Object.keys(tags).length === 0) return [order];
    // The certificate has no name before it is made.
    const tagging = { action: "acm:AddTagsToCertificate", resource: arn("acm", "certificate/new"), context };
    return [order, tagging];
  }

  after({ operation, body }: AwsRequest, answer: AwsAnswer): void {
    if (operation !== "RequestCertificate" || answer.status !== 200) return;
    const { CertificateArn } = JSON.parse(answer.body.toString()) as AcmBody;
    const { Tags: list } = JSON.parse(body.toString()) as AcmBody;
    if (CertificateArn !== undefined) this.#tags.set(CertificateArn, tagsOf(list));
  }
}

const tagsOf = (list: AcmBody["Tags"]): Tags =>
  Object.fromEntries((list ?? []).map(({ Key, Value = "" }) => [Key, Value]));

const contextOf = (family: string, tags: Tags): Context => ({
  [family]: null,
  ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [family + key.toLowerCase(), value])),
});
