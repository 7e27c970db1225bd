import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { CommandError } from "./frame/command-error.ts";

const FOLDER_MODE = 0o700;
const PERMISSIONS = 0o777;

/** @throws CommandError unless it is UTF-8. */
export function decodedText(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CommandError(`${source} is not UTF-8`, { cause: error });
  }
}

/** @throws CommandError if it is absent, has more than `maxBytes`, or is not UTF-8. */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  return decodedText(await readWholeFile(path, maxBytes), path);
}

/** @throws CommandError if it is absent or has more than `maxBytes`. */
export async function readWholeFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await failing(path, open(path, "r"));
  try {
    // One byte more than allowed shows that the file is too large; a pipe has no size to ask for.
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await failing(path, file.read(buffer, length, buffer.length - length));
      length += bytesRead;
      if (length > maxBytes) throw new CommandError(`${path} has more than ${maxBytes} bytes`);
      if (bytesRead === 0) return buffer.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

/** Writes a file beside it and renames that, so that no reader and no kill leaves half of it. */
export async function writeWholeFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await failing(path, mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE }));
  try {
    const file = await failing(path, open(draft, "wx", mode));
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await failing(path, rename(draft, path));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Permission bits; null = the file does not exist. */
export async function modeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mode & PERMISSIONS;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fileError(path, error);
  }
}

async function failing<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw fileError(path, error);
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: "not found",
  EACCES: "permission denied",
  EISDIR: "is a folder",
};

function fileError(path: string, error: unknown): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new CommandError(`${path}: ${MEANINGS[code ?? ""] ?? message}`, { cause: error });
}
