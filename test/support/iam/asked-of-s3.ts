import type { AwsAnswer, AwsRequest } from "./aws-request.ts";
import type { Ask } from "./judge.ts";
import { Unmapped } from "./policy.ts";

/** How an object is encrypted; null = by S3's own key, which needs no permission. */
export interface Encryption {
  readonly keyArn: string;
  readonly hasBucketKey: boolean;
}

interface Place {
  readonly bucket: string;
  readonly bucketArn: string;
  /** Empty for a request to the bucket. */
  readonly key: string;
  readonly objectArn: string;
}

/** What a request needs before it is done, and what only its outcome shows. */
interface Kind {
  readonly action: string;
  readonly on: "bucket" | "object";
  readonly kms: readonly ("kms:GenerateDataKey" | "kms:Decrypt")[];
}

const PUT: Kind = { action: "s3:PutObject", on: "object", kms: ["kms:GenerateDataKey"] };
const PART: Kind = { action: "s3:PutObject", on: "object", kms: ["kms:Decrypt"] };

/** By method and the parameters that name a sub-resource. */
const KINDS: Readonly<Record<string, Kind>> = {
  "GET object": { action: "s3:GetObject", on: "object", kms: [] },
  "HEAD object": { action: "s3:GetObject", on: "object", kms: [] },
  "PUT object": PUT,
  "DELETE object": { action: "s3:DeleteObject", on: "object", kms: [] },
  "GET bucket list-type": { action: "s3:ListBucket", on: "bucket", kms: [] },
  "POST object uploads": PUT,
  // Each part is encrypted by the key of the upload, and read again when the upload is put together.
  "PUT object partNumber,uploadId": PART,
  "POST object uploadId": PART,
  "DELETE object uploadId": { action: "s3:AbortMultipartUpload", on: "object", kms: [] },
};

/** Parameters that need no permission of their own. */
const FREE: ReadonlySet<string> = new Set([
  "x-id",
  "prefix",
  "continuation-token",
  "max-keys",
  "delimiter",
  "start-after",
]);
/** Headers that need a permission which is not judged here. */
const NOT_JUDGED = /^x-amz-(?:acl|grant-.*|tagging|copy-source.*|object-lock-.*|website-.*|bypass-.*)$/u;

const SSE = "x-amz-server-side-encryption";

export interface S3Options {
  /** What a bucket does with an object that says nothing of encryption. */
  readonly defaults: ReadonlyMap<string, Encryption>;
}

/** S3's requests, with those that it makes of KMS for the same role. */
export class AskedOfS3 {
  readonly #defaults: S3Options["defaults"];
  readonly #written = new Map<string, Encryption | null>();

  constructor({ defaults }: S3Options) {
    this.#defaults = defaults;
  }

  /** @throws Unmapped */
  before(request: AwsRequest): readonly Ask[] {
    const place = placeOf(request);
    const { action, on, kms } = kindOf(request, place);
    const header = Object.keys(request.headers).find((name) => NOT_JUDGED.test(name));
    if (header !== undefined) throw new Unmapped(`s3 ${request.operation} with ${header}`);
    const asks: Ask[] = [
      {
        action,
        resource: on === "bucket" ? place.bucketArn : place.objectArn,
        context: { ...request.common, "s3:prefix": request.url.searchParams.get("prefix") },
      },
    ];
    // A write that replaces what it expects has to see it.
    if (request.headers["if-match"] !== undefined)
      asks.push({ action: "s3:GetObject", resource: place.objectArn, context: request.common });
    const encryption = this.#encryptionOf(request, place);
    return [...asks, ...kms.flatMap((each) => keyAsks(request, place, encryption, each))];
  }

  /** What the outcome needs: to hear that an object is absent, or to read one that is encrypted. */
  after(request: AwsRequest, { status }: AwsAnswer): readonly Ask[] {
    const place = placeOf(request);
    const { action, kms } = kindOf(request, place);
    if (kms.includes("kms:GenerateDataKey") && status === 200)
      this.#written.set(place.objectArn, this.#encryptionOf(request, place));
    if (action !== "s3:GetObject") return [];
    if (status === 404)
      return [
        {
          action: "s3:ListBucket",
          resource: place.bucketArn,
          context: { ...request.common, "s3:prefix": null },
        },
      ];
    return keyAsks(request, place, this.#storedAs(place), "kms:Decrypt");
  }

  #storedAs({ objectArn, bucket }: Place): Encryption | null {
    const written = this.#written.get(objectArn);
    return written === undefined ? (this.#defaults.get(bucket) ?? null) : written;
  }

  #encryptionOf(request: AwsRequest, place: Place): Encryption | null {
    const kind = request.headers[SSE];
    const byDefault = this.#defaults.get(place.bucket) ?? null;
    if (kind === undefined) return byDefault;
    if (kind !== "aws:kms") return null;
    const hasBucketKey =
      request.headers[`${SSE}-bucket-key-enabled`] ?? String(byDefault?.hasBucketKey ?? false);
    return {
      keyArn: keyArnOf(request, String(request.headers[`${SSE}-aws-kms-key-id`] ?? "")),
      hasBucketKey: hasBucketKey === "true",
    };
  }
}

function placeOf({ url }: AwsRequest): Place {
  const [, bucket = "", ...rest] = url.pathname.split("/");
  const key = decodeURIComponent(rest.join("/"));
  if (bucket === "") throw new Unmapped("s3 requests without a bucket");
  const bucketArn = `arn:aws:s3:::${bucket}`;
  return { bucket, bucketArn, key, objectArn: `${bucketArn}/${key}` };
}

function kindOf({ operation, url }: AwsRequest, { key }: Place): Kind {
  const parameters = [...new Set(url.searchParams.keys())].filter((name) => !FREE.has(name)).toSorted();
  const name = `${operation} ${key === "" ? "bucket" : "object"} ${parameters.join(",")}`.trimEnd();
  const kind = KINDS[name];
  if (kind === undefined) throw new Unmapped(`s3 ${name}`);
  return kind;
}

function keyArnOf({ arn }: AwsRequest, id: string): string {
  if (id.startsWith("arn:")) return id;
  if (id === "" || id.startsWith("alias/")) throw new Unmapped(`the key of KMS ${JSON.stringify(id)}`);
  return arn("kms", `key/${id}`);
}

/**
 * S3 asks KMS with the object's ARN as context; with a Bucket Key it is the bucket's, and the key is checked
 * before it is used.
 */
function keyAsks(
  { common, region }: AwsRequest,
  { bucketArn, objectArn }: Place,
  encryption: Encryption | null,
  action: "kms:GenerateDataKey" | "kms:Decrypt",
): readonly Ask[] {
  if (encryption === null) return [];
  const context = {
    ...common,
    "kms:viaservice": `s3.${region}.amazonaws.com`,
    "kms:calleraccount": common["aws:principalaccount"] ?? null,
    "kms:encryptioncontext:aws:s3:arn": encryption.hasBucketKey ? bucketArn : objectArn,
    "kms:encryptioncontextkeys": ["aws:s3:arn"],
  };
  const isChecked = encryption.hasBucketKey && action === "kms:GenerateDataKey";
  const actions = isChecked ? [action, "kms:Decrypt"] : [action];
  return actions.map((each) => ({ action: each, resource: encryption.keyArn, context }));
}
