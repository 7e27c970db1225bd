import { createHash } from "node:crypto";
import {
  type _Object,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { KeyVault, VaultName } from "../../core/certificate/key-vault.ts";
import { InvalidInput, NotFound, StateConflict, Unreadable } from "../../core/errors.ts";
import { type ServiceCalls, TryAgain } from "./service-calls.ts";

/** `keys/<certificate>/<version>` and `trust/<sha256>`: nothing else becomes an object's key. */
const NAME = /^(?:keys\/[A-Za-z0-9_-]{1,100}\/[1-9][0-9]{0,9}|trust\/[A-Za-z0-9_-]{1,100})$/;
const FOLDERS = ["keys/", "trust/"] as const;
/** Far over what the caps of api.md let in; an object that something else left there is not read into memory. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface S3KeyVaultOptions {
  readonly client: S3Client;
  readonly calls: ServiceCalls;
  readonly bucket: string;
  /** The product's own key of KMS: its ARN or id. */
  readonly kmsKeyId: string;
}

/**
 * Objects of one bucket, each written once and encrypted under the product's own key. Absent and forbidden are told apart
 * only for a role that may list the bucket (`s3:ListBucket`): without it S3 answers 403 for what is not there.
 */
export class S3KeyVault implements KeyVault {
  readonly #options: S3KeyVaultOptions;

  constructor(options: S3KeyVaultOptions) {
    this.#options = options;
  }

  async put(name: VaultName, content: Uint8Array): Promise<string> {
    checkName(name);
    const sha256 = sha256Of(content);
    if (await this.#putNew(name, content)) return sha256;
    const stored = await this.#read(name);
    // Deleted between the two requests: then it is not there yet.
    if (stored === "absent") return this.put(name, content);
    if (stored instanceof Uint8Array && sha256Of(stored) === sha256) return sha256;
    throw new StateConflict("already-exists", "the vault holds another object under this name");
  }

  async get(name: VaultName, sha256: string): Promise<Uint8Array> {
    checkName(name);
    const content = await this.#read(name);
    if (content === "absent") throw new NotFound(`${name} is not in the vault`);
    if (content === "too-large" || sha256Of(content) !== sha256) {
      throw new Unreadable(`${name} is not what was stored`);
    }
    return content;
  }

  async delete(name: VaultName): Promise<void> {
    checkName(name);
    const { client, bucket } = this.#options;
    const command = { Bucket: bucket, Key: name };
    await this.#options.calls.call((abortSignal) =>
      client.send(new DeleteObjectCommand(command), { abortSignal }),
    );
  }

  /**
   * Objects last written before a moment. What of them no record names is left over from a write that failed; one that
   * is younger may belong to a write that has not committed yet.
   */
  async *writtenBefore(epochMs: number): AsyncGenerator<VaultName, void> {
    for (const folder of FOLDERS) {
      for await (const { Key: key, LastModified: at } of this.#objectsIn(folder)) {
        if (isVaultName(key) && at !== undefined && at.getTime() < epochMs) yield key;
      }
    }
  }

  /** False = there is an object of this name. */
  async #putNew(name: VaultName, content: Uint8Array): Promise<boolean> {
    const { client, calls, bucket, kmsKeyId } = this.#options;
    const command = {
      Bucket: bucket,
      Key: name,
      Body: content,
      IfNoneMatch: "*",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: kmsKeyId,
      BucketKeyEnabled: true,
    } as const;
    try {
      await calls.call(
        (abortSignal) => client.send(new PutObjectCommand(command), { abortSignal }),
        ["PreconditionFailed"],
      );
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === "PreconditionFailed") return false;
      throw error;
    }
  }

  async #read(name: VaultName): Promise<Uint8Array | "absent" | "too-large"> {
    const { client, calls, bucket } = this.#options;
    const command = { Bucket: bucket, Key: name };
    try {
      return await calls.call(
        async (abortSignal) => {
          const answer = await client.send(new GetObjectCommand(command), { abortSignal });
          return wholeBody(answer);
        },
        ["NoSuchKey"],
      );
    } catch (error) {
      if (error instanceof NoSuchKey) return "absent";
      throw error;
    }
  }

  async *#objectsIn(folder: string): AsyncGenerator<_Object, void> {
    const { client, calls, bucket } = this.#options;
    let next: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: folder, ContinuationToken: next });
      const page = await calls.call((abortSignal) => client.send(command, { abortSignal }));
      yield* page.Contents ?? [];
      next = page.NextContinuationToken;
    } while (next !== undefined);
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

const isVaultName = (text: string | undefined): text is VaultName => text !== undefined && NAME.test(text);

function checkName(name: string): void {
  if (!NAME.test(name)) throw new InvalidInput("not the name of a stored object");
}

const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
