import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { constants, createGunzip, createGzip, gunzipSync } from "node:zlib";
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { Unreadable } from "../../core/errors.ts";
import type { BackupRevision } from "../../core/store/lost-settings.ts";
import {
  backupLines,
  readBackupHead,
  readBackupLines,
  type SnapshotBackup,
  type SnapshotBackups,
} from "../../core/store/snapshot-backup.ts";
import type { ServiceCalls } from "./service-calls.ts";

/** The one object there is; the versions before it are S3's to keep. */
const KEY = "backup/snapshot.ndjson.gz";
const LINES_AT_ONCE = 500;
/** Over what the head takes, also where nothing of it can be compressed together with what follows. */
const HEAD_BYTES = 64 * 1024;

export interface S3SnapshotBackupsOptions {
  readonly client: S3Client;
  /** With deadlines for an object of some ten megabytes. */
  readonly calls: ServiceCalls;
  readonly bucket: string;
  /** null = this process only reads. */
  readonly kmsKeyId: string | null;
}

/** The snapshot's backup as one object: lines of JSON, compressed, under the product's own key of KMS. */
export class S3SnapshotBackups implements SnapshotBackups, BackupRevision {
  readonly #options: S3SnapshotBackupsOptions;

  constructor(options: S3SnapshotBackupsOptions) {
    this.#options = options;
  }

  async write(backup: SnapshotBackup): Promise<void> {
    const { client, calls, bucket, kmsKeyId } = this.#options;
    if (kmsKeyId === null) throw new TypeError("a process that only reads backups was called to write one");
    const Body = await buffer(Readable.from(inChunks(backup)).pipe(createGzip()));
    const command = {
      Bucket: bucket,
      Key: KEY,
      Body,
      ContentType: "application/x-ndjson",
      ContentEncoding: "gzip",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: kmsKeyId,
      BucketKeyEnabled: true,
    } as const;
    await calls.call((abortSignal) => client.send(new PutObjectCommand(command), { abortSignal }));
  }

  async read(): Promise<SnapshotBackup | null> {
    const bytes = await this.#get({});
    return bytes === null ? null : readBackupLines(linesOf(bytes));
  }

  /** From the head alone: of a backup of some ten megabytes, as little as a request brings. */
  async revision(): Promise<number | null> {
    const bytes = await this.#get({ Range: `bytes=0-${HEAD_BYTES - 1}` });
    return bytes === null ? null : readBackupHead(firstLineOf(bytes)).revision;
  }

  /** null = none was ever written. */
  async #get(part: { readonly Range?: string }): Promise<Uint8Array | null> {
    const { client, calls, bucket } = this.#options;
    const command = { Bucket: bucket, Key: KEY, ...part };
    try {
      return await calls.call(
        async (abortSignal) => {
          const { Body: body } = await client.send(new GetObjectCommand(command), { abortSignal });
          return (await body?.transformToByteArray()) ?? new Uint8Array();
        },
        ["NoSuchKey"],
      );
    } catch (error) {
      if (error instanceof NoSuchKey) return null;
      throw error;
    }
  }
}

/** A write of gzip for each line would take most of the time. */
function* inChunks(backup: SnapshotBackup): Generator<string, void> {
  let lines: string[] = [];
  for (const line of backupLines(backup)) {
    lines.push(line, "\n");
    if (lines.length < LINES_AT_ONCE) continue;
    yield lines.join("");
    lines = [];
  }
  yield lines.join("");
}

/** Of a gzip that ends early, what it has holds. @throws Unreadable */
function firstLineOf(bytes: Uint8Array): string {
  try {
    const text = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString("utf8");
    return text.slice(0, text.indexOf("\n"));
  } catch (error) {
    throw new Unreadable("the snapshot's backup is damaged", { cause: error });
  }
}

/**
 * Lines end in LF alone: node:readline ends them at U+2028 too, which JSON has inside of texts. @throws
 * Unreadable
 */
async function* linesOf(bytes: Uint8Array): AsyncGenerator<string, void> {
  const text = Readable.from([bytes]).pipe(createGunzip()).setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of text as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    if (error instanceof Unreadable) throw error;
    throw new Unreadable("the snapshot's backup is damaged", { cause: error });
  }
}
