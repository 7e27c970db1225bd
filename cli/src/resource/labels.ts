import { CommandError } from "../frame/command-error.ts";

/** Values by names, from options such as `--labels team=mail`. */
export function namedValues(option: string, texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const { name, value } = /^(?<name>[^=]+)=(?<value>[\s\S]*)$/u.exec(text)?.groups ?? {};
      if (name === undefined || value === undefined)
        throw new CommandError(`--${option} ${text}: write it as name=value`);
      return [name, value];
    }),
  );
}
