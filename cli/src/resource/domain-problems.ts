import { PosternError, type Postern, type ProblemDetail } from "../../../sdk/src/index.ts";
import { dottedPath } from "../frame/api-words.ts";
import { Explained } from "../frame/command-error.ts";
import { domainPaths, membersAt, nearest } from "./known-fields.ts";
import { hintForId } from "./named-record.ts";
import { explainedSharedHost } from "./shared-hosts.ts";

/** A write of a domain. */
interface Wanted {
  readonly name: string;
  /** The settings that are sent, or that a patch makes. */
  readonly settings: object;
  /** Words that stand for paths. */
  readonly words: readonly string[];
}

/** Writes a domain. What the API refuses is explained from what is known of this domain and its fields. */
export async function writing<T>(postern: Postern, wanted: Wanted, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw error instanceof PosternError ? await explained(postern, error, wanted) : error;
  }
}

async function explained(postern: Postern, error: PosternError, wanted: Wanted): Promise<Error> {
  const { name, settings } = wanted;
  if (error.code === "shared-host") {
    const mxHosts = valueAt(settings, ["mxHosts"]);
    const certificateId = textAt(settings, CERTIFICATE);
    const hosts = Array.isArray(mxHosts) ? mxHosts.map(String) : [];
    return explainedSharedHost(postern, error, { name, mxHosts: hosts, certificateId });
  }
  if (error.code === "host-taken")
    return new Explained(error, {
      hint: `A host that is pending becomes this account's by its TXT record: \`postern domains get ${name}\` shows it, \`postern domains verify ${name}\` looks for it.`,
    });
  const hints = new Set<string>();
  for (const mistake of error.errors) {
    const hint = await hintOf(postern, mistake, wanted);
    if (hint !== null) hints.add(hint);
  }
  return hints.size === 0 ? error : new Explained(error, { hint: [...hints].join(" ") });
}

const CERTIFICATE = ["tls", "server", "certificateId"];

async function hintOf(
  postern: Postern,
  { pointer, code }: ProblemDetail,
  { settings, words }: Wanted,
): Promise<string | null> {
  const path = pointer.split("/").slice(1);
  if (code === "unknown-field") return fieldHint(path, words);
  const value = textAt(settings, path);
  if (value === null) return null;
  if (code === "unknown-certificate" && value === "null")
    return "`certificate:=null` removes the certificate.";
  if (code === "unknown-certificate") return hintForId(postern, "certificate", value);
  return code === "unknown-trust-store" ? hintForId(postern, "trust store", value) : null;
}

/** The field that one which is not known may be, and those that are known at its place. */
function fieldHint(path: readonly string[], words: readonly string[]): string {
  const parent = path.slice(0, -1);
  const members = membersAt(parent);
  const text = dottedPath(`/${path.at(-1) ?? ""}`);
  const near = nearest(text, parent.length === 0 ? [...words, ...domainPaths()] : members);
  const guess = near === null ? "" : `${text}: did you mean ${near}? `;
  if (parent.length === 0 && words.length > 0)
    return `${guess}Words: ${words.join(", ")}; \`postern set --help\` shows more.`;
  if (members.length === 0) return guess.trim();
  const where = parent.length === 0 ? "a domain" : parent.join(".");
  return `${guess}Fields of ${where}: ${members.join(", ")}.`;
}

function valueAt(document: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, name)
        ? Reflect.get(value, name)
        : undefined,
    document,
  );
}

const textAt = (document: unknown, path: readonly string[]): string | null => {
  const value = valueAt(document, path);
  return typeof value === "string" ? value : null;
};
