import packageJson from "../package.json" with { type: "json" };
import type { CommandTable } from "./frame/program.ts";
import { WHOAMI } from "./whoami.ts";

/** Every command, in the order of the help. */
export const COMMAND_TABLE: CommandTable = {
  version: packageJson.version,
  groups: {},
  commands: [WHOAMI],
};
