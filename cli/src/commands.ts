import packageJson from "../package.json" with { type: "json" };
import type { CommandTable } from "./frame/program.ts";
import { PROBE } from "./probe/probe.ts";
import { ACCOUNTS, PRINCIPALS, TOKENS } from "./resource/access.ts";
import { CERTIFICATES } from "./resource/certificates.ts";
import { CHANGES, EDGES } from "./resource/changes.ts";
import { DOMAINS, SET } from "./resource/domains.ts";
import { EVALUATE } from "./resource/evaluate.ts";
import { STATUS } from "./resource/status.ts";
import { TRUST_STORES } from "./resource/trust-stores.ts";
import { completionCommand } from "./completion.ts";
import { LOGIN } from "./login.ts";
import { APPLY, EXPORT, PLAN } from "./plan/commands.ts";
import { WHOAMI } from "./whoami.ts";

/** Every command, in the order of the help. */
export const COMMAND_TABLE: CommandTable = {
  version: packageJson.version,
  groups: {
    domains: "Settings of recipient domains",
    certificates: "Certificates that MX hosts present",
    "trust-stores": "CAs that may vouch for clients",
    tokens: "Bearer tokens of the API",
    principals: "IAM principals that may call the API",
    accounts: "Accounts of the deployment",
    edges: "The edges that enforce the settings",
    changes: "The change log",
  },
  commands: [
    LOGIN,
    WHOAMI,
    SET,
    STATUS,
    EVALUATE,
    PROBE,
    PLAN,
    APPLY,
    EXPORT,
    ...DOMAINS,
    ...CERTIFICATES,
    ...TRUST_STORES,
    ...CHANGES,
    ...EDGES,
    ...TOKENS,
    ...PRINCIPALS,
    ...ACCOUNTS,
    completionCommand(() => COMMAND_TABLE),
  ],
};
