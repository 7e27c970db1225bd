import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { EMULATORS, type InstalledEmulators, installEmulators } from "./install-emulators.ts";

export interface RunningEmulators {
  /** What the SDK reads: endpoints, region, and credentials that are worth nothing. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

interface Running {
  readonly endpoint: string;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 60_000;

/**
 * DynamoDB Local and moto on free ports of the loopback interface. Both end with this process, however that
 * ends.
 */
export async function startEmulators(): Promise<RunningEmulators> {
  const installed = await installEmulators();
  const [dynamoDb, moto] = await Promise.all([startDynamoDb(installed), startMoto(installed)]);
  return {
    environment: {
      AWS_ENDPOINT_URL_DYNAMODB: dynamoDb.endpoint,
      AWS_ENDPOINT_URL_S3: moto.endpoint,
      AWS_ENDPOINT_URL_KMS: moto.endpoint,
      AWS_ENDPOINT_URL_ACM: moto.endpoint,
      AWS_ENDPOINT_URL_ROUTE_53: moto.endpoint,
      AWS_ENDPOINT_URL_SSM: moto.endpoint,
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "emulated",
      AWS_SECRET_ACCESS_KEY: "emulated",
    },
    stop: async () => {
      await Promise.all([dynamoDb.stop(), moto.stop()]);
    },
  };
}

const startDynamoDb = ({ jars }: InstalledEmulators): Promise<Running> =>
  start("java", [
    `-Djava.library.path=${jars}`,
    // Java looks at no TMPDIR, and keeps its counters in /tmp.
    `-Djava.io.tmpdir=${tmpdir()}`,
    "-XX:-UsePerfData",
    "-Xmx1g",
    // A test's minute is too short for the optimising compiler to be worth its work: the first hundred
    // transactions take half the time.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-cp",
    join(jars, "*"),
    join(EMULATORS, "LoopbackDynamoDb.java"),
  ]);

const startMoto = ({ python }: InstalledEmulators): Promise<Running> =>
  start(python, [join(EMULATORS, "loopback_moto.py")]);

/** Its standard input is its life line; "port N" on its standard output says that it listens. */
async function start(program: string, args: readonly string[]): Promise<Running> {
  const child = spawn(program, [...args], { stdio: ["pipe", "pipe", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const ended = new AbortController();
  child.once("error", (error) => ended.abort(error));
  child.once("exit", (code) => ended.abort(new Error(`exit code ${code}`)));
  const lines = createInterface({ input: child.stdout });
  try {
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(START_LIMIT_MS)]);
    const [line] = (await once(lines, "line", { signal })) as [string];
    const port = /^port (\d+)$/.exec(line)?.[1];
    if (port === undefined) throw new Error(`said ${line}`);
    return {
      endpoint: `http://127.0.0.1:${port}`,
      stop: async () => {
        child.stdin.end();
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${program} does not start: ${said.join("").slice(-2000)}`, { cause: error });
  }
}
