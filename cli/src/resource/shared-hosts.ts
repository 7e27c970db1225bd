import { PosternError, type Change, type Postern } from "../../../sdk/src/index.ts";
import { Explained } from "../frame/command-error.ts";
import type { Input } from "../frame/input.ts";
import { type Output, painted, type Piece } from "../frame/output.ts";

/** MX hosts that several domains of an account name: they serve one certificate. */

export const SHARED_HOSTS = {
  flags: "--move-shared-hosts",
  about: "also change the certificate of the account's other domains on these MX hosts",
} as const;
export const sharedHostsOf = (input: Input) => (input.flag("moveSharedHosts") ? "move" : undefined);

const MOST_NAMED = 5;
const certificateText = (id: string | null | undefined): string => id ?? "default certificate";

/** Lines of the MX hosts and domains that a change took along. */
export function hostLines({ mxHosts, movedDomains }: Change): readonly (readonly Piece[])[] {
  const { count = 0, names = [], isAtLeast = false } = movedDomains ?? {};
  const domains = `${isAtLeast ? "at least " : ""}${count} other ${count === 1 ? "domain" : "domains"}`;
  return [
    ...mxHosts.map(({ host, certificateBefore, certificateAfter }) => [
      painted("bold", `MX host ${host}`),
      `: ${certificateText(certificateBefore)} → ${certificateText(certificateAfter)}`,
    ]),
    ...(count === 0 ? [] : [[`of ${domains} too: ${names.slice(0, MOST_NAMED).join(", ")}`]]),
  ];
}

/** A domain after a write with `--move-shared-hosts`. */
interface Written {
  readonly name: string;
  readonly revision: number;
}

/** Prints which other domains a write has given another certificate. */
export async function printMoved(
  postern: Postern,
  { name, revision }: Written,
  output: Output,
): Promise<void> {
  if (output.isJson) return;
  const filter = { resource: `domain/${name}`, after: revision - 1, limit: 1 };
  try {
    for await (const change of postern.changes.list(filter)) {
      if (change.revision !== revision || change.movedDomains === undefined) return;
      for (const line of hostLines(change)) output.line(...line);
      return;
    }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    // The write is done: that it cannot be shown is no failure of it.
    const text = `other domains may serve another certificate now; which, the log cannot show: ${error.detail}`;
    output.line(painted("warn", "warning: "), text);
  }
}

/** Domains that are looked through for one on the host. */
const MOST_DOMAINS = 2_000;
const PAGE = 200;

interface WantedHosts {
  readonly name: string;
  readonly mxHosts: readonly string[];
  /** Certificate that the write gives them; null = the default. */
  readonly certificateId: string | null;
}

/** A refusal to change the certificate of shared hosts, with what changes, and what keeps it. */
export async function explainedSharedHost(
  postern: Postern,
  error: PosternError,
  wanted: WantedHosts,
): Promise<Explained> {
  const found = await servedNow(postern, wanted);
  if (found === null)
    return new Explained(error, {
      hint: "`certificate=<id>` with the certificate that the host serves keeps it; `--move-shared-hosts` changes it for all of its domains.",
    });
  const { host, domain, certificateId } = found;
  const keep = certificateId === null ? "certificate:=null" : `certificate=${certificateId}`;
  const theirs = `${host} serves ${certificateId ?? "the default certificate"} for ${domain}`;
  const change = `to ${wanted.certificateId ?? "the default certificate"} for all of its domains`;
  return new Explained(error, {
    hint: `${theirs}: \`${keep}\` keeps that, and \`--move-shared-hosts\` changes it ${change}.`,
  });
}

interface Served {
  readonly host: string;
  readonly domain: string;
  readonly certificateId: string | null;
}

/** Another domain of the hosts, and what the host serves; null = it was not found. */
async function servedNow(postern: Postern, wanted: WantedHosts): Promise<Served | null> {
  try {
    for await (const domain of sharing(postern, wanted)) {
      const { mxHosts } = await postern.domains.status(domain);
      const other = mxHosts.find(
        ({ host, certificateId }) => wanted.mxHosts.includes(host) && certificateId !== wanted.certificateId,
      );
      if (other !== undefined) return { domain, host: other.host, certificateId: other.certificateId };
    }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
  }
  return null;
}

/** The other domains that name one of the hosts. */
async function* sharing(postern: Postern, wanted: WantedHosts): AsyncGenerator<string, void, void> {
  let left = MOST_DOMAINS;
  for await (const { name, mxHosts } of postern.domains.list({ limit: PAGE })) {
    if (name !== wanted.name && mxHosts.some((host) => wanted.mxHosts.includes(host))) yield name;
    if (--left === 0) return;
  }
}
