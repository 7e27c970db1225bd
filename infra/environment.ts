import type { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import type { apiConfigSchema } from "../functions/api/api-config.ts";
import type { scheduleConfigSchema } from "../functions/schedule/schedule-config.ts";
import type { VariableName as WorkerVariable } from "../worker/config/config-variables.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";

type Text = $util.Input<string>;
type Environment<Name extends string> = Readonly<Partial<Record<Name, Text>>>;

type AwsVariable = keyof (typeof awsConfigSchema)["shape"];
type ScheduleVariable = keyof (typeof scheduleConfigSchema)["shape"];
type ApiVariable = keyof (typeof apiConfigSchema)["shape"];

/** Variables of each program, by the names of its schema: another name does not compile. */
export type ApiEnvironment = Environment<AwsVariable | ApiVariable>;
export type ScheduleEnvironment = Environment<AwsVariable | ScheduleVariable | "TLS_CIPHERS">;
export type WorkerEnvironment = Environment<AwsVariable | WorkerVariable>;

/** Names of the stage's settings and keys, for programs that read them. */
export const readerEnvironment = (
  table: Table,
  { keys }: Storage,
): Record<Exclude<AwsVariable, "KEY_KMS_KEY_ID">, Text> => ({
  STORE: "dynamodb",
  TABLE_NAME: table.name,
  KEY_BUCKET: keys.name,
});

/** The same for programs that write keys, with the KMS key. */
export const writerEnvironment = (table: Table, storage: Storage): Record<AwsVariable, Text> => ({
  ...readerEnvironment(table, storage),
  KEY_KMS_KEY_ID: storage.key.arn,
});

/**
 * Parameters of the check of a certificate before it is written: the edges' cipher suites and security level.
 */
export const ciphersOf = ({ TLS_CIPHERS }: Settings["edge"]): Environment<"TLS_CIPHERS"> =>
  TLS_CIPHERS === undefined ? {} : { TLS_CIPHERS };

/** Variables as SST's components accept them: an unset variable is absent. */
export const environmentForSst = (environment: Environment<string>): Record<string, Text> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
