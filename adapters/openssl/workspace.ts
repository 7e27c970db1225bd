import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writePem } from "../../core/x509/pem.ts";
import type { ChainQuestion, ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import type { CertificatePath } from "./certificate-paths.ts";
import type { VerifyFiles } from "./verify-command.ts";

interface TrustFiles {
  readonly anchors: string;
  readonly crls: string | null;
  readonly written: Promise<void>;
  /** Verifications that read them now. */
  users: number;
}

interface NewFile {
  readonly name: string;
  readonly text: string;
}

/** Files of one chain; null = not needed. */
type OwnFiles = Readonly<Record<keyof VerifyFiles, NewFile | null>>;

/**
 * Files for `openssl verify` in a directory of mode 0700: anchors and CRLs written once for each trust, the
 * longest unused trust removed first; a chain only while it is verified. Certificates are not secret, and
 * nothing else is here.
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

  /**
   * Writes what `work` needs, runs it, and removes what belongs to this chain alone.
   *
   * @param path what OpenSSL may use; null = all that was sent, and the whole trust.
   * @throws the file system's error.
   */
  async withFiles<T>(
    { chain, trust }: Pick<ChainQuestion, "chain" | "trust">,
    path: CertificatePath | null,
    work: (files: VerifyFiles) => Promise<T>,
  ): Promise<T> {
    const shared = this.#trustFiles(trust);
    shared.users += 1;
    const own: OwnFiles = {
      leaf: this.#newFile("leaf", "CERTIFICATE", chain.slice(0, 1)),
      issuers: this.#newFile("issuers", "CERTIFICATE", path?.issuers ?? chain.slice(1)),
      anchors: this.#newFile("anchor", "CERTIFICATE", path === null ? [] : [path.anchor]),
      crls: this.#newFile("path-crls", "X509 CRL", path?.crls ?? []),
    };
    const written = Object.values(own).filter((file) => file !== null);
    try {
      await Promise.all([shared.written, ...written.map(({ name, text }) => write(name, text))]);
      return await work({
        leaf: own.leaf?.name ?? "",
        issuers: own.issuers?.name ?? null,
        anchors: own.anchors?.name ?? shared.anchors,
        // Where no CA of the path has a CRL, that of another lets OpenSSL say so.
        crls: path !== null && path.crls === null ? null : (own.crls?.name ?? shared.crls),
      });
    } finally {
      shared.users -= 1;
      await discard(written.map(({ name }) => name));
    }
  }

  #newFile(what: string, label: "CERTIFICATE" | "X509 CRL", ders: readonly Uint8Array[]): NewFile | null {
    if (ders.length === 0) return null;
    return { name: this.#newPath(what), text: ders.map((der) => writePem(label, der)).join("") };
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
