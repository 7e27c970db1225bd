import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { IssuedCertificate } from "../pki.ts";
import { freePort } from "./free-port.ts";
import { type Postfix, startPostfix } from "./postfix.ts";

/** A Postfix that takes mail for one domain, as an operator's mail server behind Postern. */
export interface NextHop {
  readonly postfix: Postfix;
  readonly port: number;
  /** All messages in the mailbox of a local part. */
  readonly mailbox: (localPart: string) => readonly string[];
}

export interface NextHopOptions {
  readonly domain: string;
  /** Local parts that have a mailbox; all others are `550 5.1.1`. */
  readonly mailboxes: readonly string[];
  /** Local parts with an answer of their own: `450 4.2.0 come back later`. */
  readonly answers: Readonly<Record<string, string>>;
  /** Octets it takes at most. */
  readonly messageSizeLimit: number;
  readonly certificate: IssuedCertificate;
  /** More lines of main.cf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function startNextHop(options: NextHopOptions): Promise<NextHop> {
  const { domain, mailboxes, answers, messageSizeLimit, certificate, settings = {} } = options;
  const port = await freePort();
  const maildirs = mailboxes.map((name) => `{ ${name}@${domain} = ${name}/ }`);
  const rules = Object.entries(answers).map(([name, answer]) => `{ ${name}@${domain} = ${answer} }`);
  const postfix = await startPostfix({
    settings: {
      myhostname: "nexthop.example",
      virtual_mailbox_domains: domain,
      virtual_mailbox_base: "$data_directory/mail",
      virtual_mailbox_maps: `inline:{ ${maildirs.join(", ")} }`,
      virtual_uid_maps: `static:${idOf("-u")}`,
      virtual_gid_maps: `static:${idOf("-g")}`,
      smtpd_recipient_restrictions: `check_recipient_access inline:{ ${rules.join(", ")} }, reject_unauth_destination`,
      smtpd_tls_security_level: "may",
      smtpd_tls_chain_files: "$config_directory/server.pem",
      smtpd_tls_loglevel: "1",
      smtpd_authorized_xforward_hosts: "127.0.0.0/8",
      message_size_limit: String(messageSizeLimit),
      ...settings,
    },
    services: [`127.0.0.1:${port} inet n - n - - smtpd`],
    files: { "server.pem": certificate.privateKeyPem + certificate.bundlePem },
  });
  return {
    postfix,
    port,
    mailbox: (localPart) =>
      globSync(join(postfix.directory, "data/mail", localPart, "new/*")).map((path) =>
        readFileSync(path, "utf8"),
      ),
  };
}

/** Postfix's own user has the mail: it reads no other's. */
const idOf = (flag: "-u" | "-g"): string =>
  execFileSync("id", [flag, "postfix"], { encoding: "utf8" }).trim();
