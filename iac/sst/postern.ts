import { ChangeWithoutConsent } from "../../infra/consent.ts";
import { type DeployVariableName, WrongSetting } from "../../infra/deploy-variables.ts";
import { deployGate } from "../../infra/deployment.ts";
import { namesOf } from "../../infra/gate-settings.ts";
import { readSettings, type Settings } from "../../infra/settings.ts";

type Capitalized<Words extends string> = Words extends `${infer First}_${infer Rest}`
  ? `${Capitalize<Lowercase<First>>}${Capitalized<Rest>}`
  : Capitalize<Lowercase<Words>>;
/** `smtpName` for `POSTERN_SMTP_NAME`. */
type ArgumentOf<Name extends DeployVariableName> = Name extends `POSTERN_${infer Words}`
  ? Uncapitalize<Capitalized<Words>>
  : never;

interface Placed {
  /** Folder of Postern's sources, relative to the application's root; `.` if left out. */
  readonly checkout?: string;
}

/**
 * Settings of a gate: each variable of docs/deploy.md without its prefix, in camel case. A list stands for its
 * entries by comma.
 */
export type PosternArgs = Placed & {
  readonly [Name in DeployVariableName as ArgumentOf<Name>]?: string | number | readonly string[];
};

/** Settings of a gate as the variables themselves, by which errors name them. */
export interface PosternEnvironment extends Placed {
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type PosternOutputs = Awaited<ReturnType<typeof deployGate>>;

/** Begins as a name of SST does; short, since AWS cuts the end of longer names. Empty: a stage of its gate alone. */
const GATE_NAME = /^(?:[A-Z][A-Za-z0-9]{0,15})?$/u;
const CHECKOUT = /^(?:\.|[\w-][\w.-]*(?:\/[\w-][\w.-]*)*)$/u;

/** An invalid argument of a gate: its name and the reason, never its value. */
class WrongArgument extends Error {
  override readonly name = "WrongArgument";
}

/**
 * The edge stack as a component of an application of SST: API, schedule, storage, and edges behind a load
 * balancer. Its resources stand beside the application's, and their names begin with the gate's.
 */
export class Postern {
  /**
   * Addresses and names. Rejects before any resource of the gate is created if the settings in force may not
   * be changed without consent. A program awaits it, or returns it.
   */
  readonly outputs: Promise<PosternOutputs>;

  /**
   * @param name first part of the resources' names: another one replaces them all. Empty if the gate is all
   *   of its stage, as in Postern's repository.
   * @throws WrongArgument or, for variables, WrongSetting.
   */
  constructor(name: string, args: PosternArgs | PosternEnvironment) {
    if (!GATE_NAME.test(name))
      throw new WrongArgument("name: must be at most 16 letters and digits, the first a capital letter");
    const { checkout = "." } = args;
    if (!CHECKOUT.test(checkout))
      throw new WrongArgument("checkout: must be a folder below the root, such as vendor/postern");
    const gate = {
      ...settingsOf(args),
      names: namesOf({ app: $app.name, stage: $app.stage, gate: name }),
      checkout,
    };
    this.outputs = deployGate(gate).catch((error: unknown) => {
      throw "environment" in args ? error : byArguments(error);
    });
  }
}

function settingsOf(args: PosternArgs | PosternEnvironment): Settings {
  if ("environment" in args) return readSettings($app.stage, args.environment);
  const { checkout: _, ...settings } = args;
  try {
    return readSettings($app.stage, environmentOf(settings));
  } catch (error) {
    throw byArguments(error);
  }
}

const environmentOf = (settings: Omit<PosternArgs, "checkout">): Record<string, string> =>
  Object.fromEntries(
    Object.entries(settings).flatMap(([argument, value]) =>
      value === undefined
        ? []
        : [[variableOf(argument), typeof value === "object" ? value.join(",") : String(value)]],
    ),
  );

const variableOf = (argument: string): string =>
  `POSTERN_${argument.replaceAll(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase()}`;

const argumentOf = (variable: string): string =>
  variable
    .slice("POSTERN_".length)
    .toLowerCase()
    .replaceAll(/_(?<letter>[a-z])/gu, (_match, letter: string) => letter.toUpperCase());

/** The error in the words of the program that gave the arguments. */
function byArguments(error: unknown): unknown {
  const isOurs = error instanceof WrongSetting || error instanceof ChangeWithoutConsent;
  if (!isOurs) return error;
  const text = error.message.replaceAll(/POSTERN_[A-Z0-9_]*[A-Z0-9]/gu, argumentOf);
  return new WrongArgument(text, { cause: error });
}
