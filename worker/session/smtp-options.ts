import type { SessionOptions } from "./session-context.ts";

/** Commands that are never offered: logins, claims of proxies, and the jokes of old sendmail. */
const DISABLED_COMMANDS = ["AUTH", "XCLIENT", "XFORWARD", "WIZ", "SHELL", "KILL", "HELP"];

/** Options of smtp-server, for every connection of an edge. */
export const smtpOptions = ({ name, limits }: Pick<SessionOptions, "name" | "limits">) => ({
  name,
  size: limits.maxMessageBytes,
  maxCommandLength: limits.maxCommandBytes,
  disabledCommands: DISABLED_COMMANDS,
  authOptional: true,
  disableReverseLookup: true,
  hideREQUIRETLS: false,
  hideENHANCEDSTATUSCODES: false,
  heloResponse: "%s",
  logger: false as const,
});
