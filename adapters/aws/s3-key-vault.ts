import { createHash } from "node:crypto";
import {
  type _Object,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { isVaultName, type KeyVault, VAULT_FOLDERS, type VaultName } from "../../core/store/key-vault.ts";
import { InvalidInput, NotFound, StateConflict, Unreadable } from "../../core/errors.ts";
import { type ServiceCalls, TryAgain } from "./service-calls.ts";

/**
 * Far over what the caps of api.md let in; an object that something else left there is not read into memory.
 */
const MAX_BYTES = 8 * 1024 * 1024;

export interface S3KeyVaultOptions {
  readonly client: S3Client;
  readonly calls: ServiceCalls;
  readonly bucket: string;
  /** The product's own key of KMS: its ARN or id. */
  readonly kmsKeyId: string;
}

/**
 * Objects of one bucket, each written once and encrypted under the product's own key. Absent and forbidden
 * are told apart only for a role that may list the bucket (`s3:ListBucket`): without it S3 answers 403 for
 * what is not there.
 */
export class S3KeyVault implements KeyVault {
  readonly #options: S3KeyVaultOptions;

  constructor(options: S3KeyVaultOptions) {
    this.#options = options;
  }

  async put(name: VaultName, content: Uint8Array): Promise<string> {
    checkName(name);
    const sha256 = sha256Of(content);
    if (await this.#putIf({ IfNoneMatch: "*" }, name, content)) return sha256;
    const stored = await this.#read(name);
    // Deleted between the two requests: then it is not there yet.
    if (stored === "absent") return this.put(name, content);
    if (stored === "too-large" || sha256Of(stored.content) !== sha256)
      throw new StateConflict("already-exists", "the vault holds another object under this name");
    // Written again, so that a clean-up that looks at its age leaves it. Changed or deleted since it was
    // read: from the start.
    return (await this.#putIf({ IfMatch: stored.etag }, name, content)) ? sha256 : this.put(name, content);
  }

  async get(name: VaultName, sha256: string): Promise<Uint8Array> {
    checkName(name);
    const stored = await this.#read(name);
    if (stored === "absent") throw new NotFound(`${name} is not in the vault`);
    if (stored === "too-large" || sha256Of(stored.content) !== sha256) {
      throw new Unreadable(`${name} is not what was stored`);
    }
    return stored.content;
  }

  /** Listed again for its age, and deleted only as it was listed: a write in between changes the ETag. */
  async delete(name: VaultName, epochMs: number): Promise<boolean> {
    checkName(name);
    const { client, bucket, calls } = this.#options;
    for await (const { Key: key, ETag: etag, LastModified: at } of this.#objectsIn(name)) {
      if (key !== name) continue;
      if (at === undefined || at.getTime() >= epochMs) return false;
      const command = { Bucket: bucket, Key: name, IfMatch: etag };
      return isDone(() =>
        calls.call(
          (abortSignal) => client.send(new DeleteObjectCommand(command), { abortSignal }),
          NOT_AS_SEEN,
        ),
      );
    }
    return false;
  }

  /**
   * Objects last written before a moment. What of them no record names is left over from a write that failed;
   * one that is younger may belong to a write that has not committed yet.
   */
  async *writtenBefore(epochMs: number): AsyncGenerator<VaultName, void> {
    for (const folder of Object.values(VAULT_FOLDERS)) {
      for await (const { Key: key, LastModified: at } of this.#objectsIn(folder)) {
        if (isVaultName(key) && at !== undefined && at.getTime() < epochMs) yield key;
      }
    }
  }

  /** False = the object of this name is not as the condition says. */
  #putIf(
    condition: Pick<PutObjectCommandInput, "IfMatch" | "IfNoneMatch">,
    name: VaultName,
    content: Uint8Array,
  ): Promise<boolean> {
    const { client, calls, bucket, kmsKeyId } = this.#options;
    const command = {
      Bucket: bucket,
      Key: name,
      Body: content,
      ...condition,
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: kmsKeyId,
      BucketKeyEnabled: true,
    } as const;
    return isDone(() =>
      calls.call((abortSignal) => client.send(new PutObjectCommand(command), { abortSignal }), NOT_AS_SEEN),
    );
  }

  async #read(name: VaultName): Promise<StoredObject | "absent" | "too-large"> {
    const { client, calls, bucket } = this.#options;
    const command = { Bucket: bucket, Key: name };
    try {
      return await calls.call(
        async (abortSignal) => {
          const answer = await client.send(new GetObjectCommand(command), { abortSignal });
          const content = await wholeBody(answer);
          return content === "too-large" ? content : { content, etag: answer.ETag };
        },
        ["NoSuchKey"],
      );
    } catch (error) {
      if (error instanceof NoSuchKey) return "absent";
      throw error;
    }
  }

  async *#objectsIn(prefix: string): AsyncGenerator<_Object, void> {
    const { client, calls, bucket } = this.#options;
    let next: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: next });
      const page = await calls.call((abortSignal) => client.send(command, { abortSignal }));
      yield* page.Contents ?? [];
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }
}

interface StoredObject {
  readonly content: Uint8Array;
  readonly etag: string | undefined;
}

/**
 * What S3 answers to a condition that does not hold: of an object that is gone, If-Match is answered by its
 * absence.
 */
const NOT_AS_SEEN = ["PreconditionFailed", "NoSuchKey"] as const;

/** False = the condition of the request does not hold. */
async function isDone(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request();
    return true;
  } catch (error) {
    if (error instanceof Error && NOT_AS_SEEN.some((name) => name === error.name)) return false;
    throw error;
  }
}

/** @throws TryAgain when the answer was cut off. */
async function wholeBody({ Body: body, ContentLength: length }: GetObjectCommandOutput) {
  if (body === undefined) return new Uint8Array();
  if (length !== undefined && length > MAX_BYTES) {
    // Unread, it would keep the connection.
    if ("destroy" in body && typeof body.destroy === "function") body.destroy();
    return "too-large";
  }
  let content: Uint8Array;
  try {
    content = await body.transformToByteArray();
  } catch (error) {
    throw new TryAgain("the object's bytes ended early", { cause: error });
  }
  if (length !== undefined && content.length !== length) throw new TryAgain("the object's bytes ended early");
  return content;
}

function checkName(name: string): void {
  if (!isVaultName(name)) throw new InvalidInput("not the name of a stored object");
}

const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
