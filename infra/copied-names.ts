import { WrongSetting } from "./deploy-variables.ts";

/** Parameters in the standby region with the names of this deployment's copies there. */
const pathOfCopies = (): string => `/${$app.name}/${$app.stage}/copies`;

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
export const copiesParameter = (name: keyof Copies): string => `${pathOfCopies()}/${PARAMETERS[name]}`;

/** @throws WrongSetting if no other region's deployment of this stage makes copies here. */
export async function readCopies(): Promise<Copies> {
  const path = pathOfCopies();
  const { names, values } = await aws.ssm.getParametersByPath({ path, withDecryption: false });
  const value = (name: keyof Copies): string => {
    const found = values[names.indexOf(copiesParameter(name))];
    if (found !== undefined) return found;
    throw new WrongSetting(
      "POSTERN_ROLE",
      `has no copies to use here: ${copiesParameter(name)} is written by the deployment of the other region, by its POSTERN_STANDBY_REGION`,
    );
  };
  return { table: value("table"), keyBucket: value("keyBucket"), key: value("key") };
}
