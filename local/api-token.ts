import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { codeOf, readIfThere, writeDurably } from "./durable-file.ts";
import { StartFailure } from "../worker/process/start-failure.ts";

export interface ApiToken {
  /** Secret. */
  readonly token: string;
  /** True at the one start that may show it. */
  readonly isNew: boolean;
}

const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * The bearer token: the one given as API_TOKEN, else the one kept in the file, else a new one of 256 bits.
 * What is used is kept in the file (0600), so that `npm run try` and the operator find it in one place.
 *
 * @throws StartFailure when the file is there and holds no token.
 */
export function obtainApiToken(path: string, given: string | null): ApiToken {
  try {
    const kept = readIfThere(path)?.trim() ?? null;
    if (given !== null) {
      if (given !== kept) writeDurably(path, `${given}\n`);
      return { token: given, isNew: false };
    }
    if (kept === null) {
      const token = `postern_${randomBytes(32).toString("base64url")}`;
      writeDurably(path, `${token}\n`);
      return { token, isNew: true };
    }
    if (!BEARER_TOKEN.test(kept)) {
      throw new StartFailure("DATA_DIR", `${path} holds no token; remove it to have a new one made`);
    }
    chmodSync(path, 0o600);
    return { token: kept, isNew: false };
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw new StartFailure("DATA_DIR", `${path} cannot be used (${String(codeOf(error))})`, { cause: error });
  }
}
