import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writePem } from "../../core/certificate/pem.ts";
import type { ChainQuestion, ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import type { VerifyFiles } from "./verify-command.ts";

interface TrustFiles {
  readonly anchors: string;
  readonly crls: string | null;
  readonly written: Promise<void>;
  /** Verifications that read them now. */
  users: number;
}

/**
 * Files for `openssl verify` in a directory of mode 0700: anchors and CRLs written once for each trust, the longest
 * unused trust removed first; a chain only while it is verified. Certificates are not secret, and nothing else is here.
 */
export class Workspace {
  readonly #directory: string;
  readonly #trusts = new Map<string, TrustFiles>();
  readonly #maxTrusts: number;
  #files = 0;

  private constructor(directory: string, maxTrusts: number) {
    this.#directory = directory;
    this.#maxTrusts = maxTrusts;
  }

  /** @throws the file system's error when the directory cannot be made. */
  static async create(parent: string, maxTrusts: number): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(parent, "postern-verify-")), maxTrusts);
  }

  /** Writes what `work` needs, runs it, and removes the chain. @throws the file system's error. */
  async withFiles<T>(question: ChainQuestion, work: (files: VerifyFiles) => Promise<T>): Promise<T> {
    const trust = this.#trustFiles(question.trust);
    trust.users += 1;
    const [leafDer = new Uint8Array(), ...issuerDers] = question.chain;
    const leaf = this.#newPath("leaf");
    const issuers = issuerDers.length === 0 ? null : this.#newPath("issuers");
    try {
      await Promise.all([
        trust.written,
        write(leaf, writePem("CERTIFICATE", leafDer)),
        issuers === null
          ? undefined
          : write(issuers, issuerDers.map((der) => writePem("CERTIFICATE", der)).join("")),
      ]);
      return await work({ anchors: trust.anchors, crls: trust.crls, leaf, issuers });
    } finally {
      trust.users -= 1;
      await discard([leaf, issuers]);
    }
  }

  #trustFiles(trust: ResolvedTrust): TrustFiles {
    const known = this.#trusts.get(trust.hash);
    const files = known ?? this.#write(trust);
    // Last used comes last; a trust that is being read is never removed.
    this.#trusts.delete(trust.hash);
    this.#trusts.set(trust.hash, files);
    for (const [hash, { users, anchors, crls }] of this.#trusts) {
      if (this.#trusts.size <= this.#maxTrusts) break;
      if (users > 0 || hash === trust.hash) continue;
      this.#trusts.delete(hash);
      void discard([anchors, crls]);
    }
    return files;
  }

  #write(trust: ResolvedTrust): TrustFiles {
    const anchors = this.#newPath("anchors");
    const crls = trust.crlsPem.length === 0 ? null : this.#newPath("crls");
    const written = Promise.all([
      write(anchors, trust.anchorsPem.join("\n")),
      crls === null ? undefined : write(crls, trust.crlsPem.join("\n")),
    ]).then(() => undefined);
    // A disk that was full once must not spoil this trust for good.
    written.catch(() => this.#trusts.delete(trust.hash));
    return { anchors, crls, written, users: 0 };
  }

  #newPath(what: string): string {
    this.#files += 1;
    return join(this.#directory, `${what}-${String(this.#files)}.pem`);
  }

  /** Whether everything that was written for trusts can still be read. Never rejects. */
  async isWhole(): Promise<boolean> {
    const files = [...this.#trusts.values()].flatMap(({ anchors, crls }) => [
      anchors,
      ...(crls === null ? [] : [crls]),
    ]);
    try {
      await Promise.all([this.#directory, ...files].map((file) => access(file, constants.R_OK)));
      return true;
    } catch {
      return false;
    }
  }

  /** Removes the directory and all in it. Never rejects. */
  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

const write = (path: string, text: string): Promise<void> =>
  writeFile(path, text, { flag: "wx", mode: 0o600 });

/** Never rejects: what cannot be removed goes with the directory. */
const discard = (paths: readonly (string | null)[]): Promise<unknown> =>
  Promise.allSettled(paths.filter((path) => path !== null).map((path) => rm(path, { force: true })));
