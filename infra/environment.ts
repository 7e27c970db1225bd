import type { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import type { apiConfigSchema } from "../functions/api/api-config.ts";
import type { VariableName as WorkerVariable } from "../worker/config/config-variables.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";

type Text = $util.Input<string>;
type Environment<Name extends string> = Readonly<Partial<Record<Name, Text>>>;

type AwsVariable = keyof (typeof awsConfigSchema)["shape"];
type ApiVariable = keyof (typeof apiConfigSchema)["shape"];

/** Variables of each program, by the names of its schema: another name does not compile. */
export type ApiEnvironment = Environment<AwsVariable | ApiVariable>;
export type ScheduleEnvironment = Environment<AwsVariable | "TLS_CIPHERS">;
export type WorkerEnvironment = Environment<AwsVariable | WorkerVariable>;

/** Where the settings and keys of the stage are, for who reads them. */
export const readerEnvironment = (
  table: Table,
  { keys }: Storage,
): Record<Exclude<AwsVariable, "KEY_KMS_KEY_ID">, Text> => ({
  STORE: "dynamodb",
  TABLE_NAME: table.name,
  KEY_BUCKET: keys.name,
});

/** The same for who writes keys: under which key of KMS too. */
export const writerEnvironment = (table: Table, storage: Storage): Record<AwsVariable, Text> => ({
  ...readerEnvironment(table, storage),
  KEY_KMS_KEY_ID: storage.key.arn,
});

/** What certificates are checked with before they are written: the edges' own cipher suites and security level. */
export const ciphersOf = ({ TLS_CIPHERS }: Settings["edge"]): Environment<"TLS_CIPHERS"> =>
  TLS_CIPHERS === undefined ? {} : { TLS_CIPHERS };

/** As SST's components take them: a variable that is not set is not there. */
export const environmentForSst = (environment: Environment<string>): Record<string, Text> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
