import type { Names } from "./gate-settings.ts";
import { WrongSetting } from "./deploy-variables.ts";

/** Parameters in the standby region with the names of this deployment's copies there. */
const pathOfCopies = ({ path }: Names): string => `${path}/copies`;

/** Names of the copies in a region. */
export interface Copies {
  readonly table: string;
  readonly keyBucket: string;
  /** Id of the KMS key. */
  readonly key: string;
}

/** Last parts of the parameters' names. */
const PARAMETERS = {
  table: "table",
  keyBucket: "key-bucket",
  key: "key",
} as const satisfies Readonly<Record<keyof Copies, string>>;

/** Name of the parameter in the standby region. */
export const copiesParameter = (names: Names, name: keyof Copies): string =>
  `${pathOfCopies(names)}/${PARAMETERS[name]}`;

/** @throws WrongSetting if no other region's deployment of this stage makes copies here. */
export async function readCopies(names: Names): Promise<Copies> {
  const path = pathOfCopies(names);
  const { names: found, values } = await aws.ssm.getParametersByPath({ path, withDecryption: false });
  const value = (name: keyof Copies): string => {
    const copied = values[found.indexOf(copiesParameter(names, name))];
    if (copied !== undefined) return copied;
    throw new WrongSetting(
      "POSTERN_ROLE",
      `has no copies to use here: ${copiesParameter(names, name)} is written by the deployment of the other region, by its POSTERN_STANDBY_REGION`,
    );
  };
  return { table: value("table"), keyBucket: value("keyBucket"), key: value("key") };
}
