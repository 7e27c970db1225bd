import type { CommandSpec } from "./frame/command.ts";

export const WHOAMI: CommandSpec = {
  path: "whoami",
  summary: "Show the account and scopes of the credentials",
  example: "postern whoami",
  async run({ api, output }) {
    output.record(await (await api()).whoami());
  },
};
