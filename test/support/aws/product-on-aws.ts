import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import type { GatewayAnswer } from "../../../functions/api/lambda-handler.ts";
import type { Sweep } from "../../../core/schedule.ts";
import { type BundleName, buildBundle } from "../../../scripts/bundles.ts";
import { gatewayEvent, iamAuthorizer } from "../gateway-events.ts";
import { addressBlock, proxyV2 } from "../proxy-headers.ts";
import { SmtpClient } from "../smtp-client.ts";
import { FunctionProcess } from "./function-process.ts";
import { sdkEnvironment, WorkerProcess, workerBundle } from "./worker-process.ts";

type Variables = Readonly<Record<string, string>>;

/** Variables of each program, beside those of the SDK that this process has. */
export type ProgramVariables = Readonly<Record<BundleName, Variables>>;

export interface Answered {
  readonly status: number;
  readonly json: ReturnType<typeof JSON.parse>;
}

const FROM_CLIENT = { first: proxyV2({ payload: addressBlock("192.0.2.7", 40_000) }) };
/** Nothing listens there. */
const AWAY = { AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9" };

/**
 * The whole product on AWS's side: functions and worker as they are deployed, on engines that stand for AWS.
 */
export class ProductOnAws {
  readonly worker: WorkerProcess;
  readonly #api: FunctionProcess;
  readonly #schedule: FunctionProcess;
  readonly #variables: ProgramVariables;
  readonly #directory: string;

  private constructor(parts: {
    readonly worker: WorkerProcess;
    readonly api: FunctionProcess;
    readonly schedule: FunctionProcess;
    readonly variables: ProgramVariables;
    readonly directory: string;
  }) {
    this.worker = parts.worker;
    this.#api = parts.api;
    this.#schedule = parts.schedule;
    this.#variables = parts.variables;
    this.#directory = parts.directory;
  }

  static async start(variables: ProgramVariables): Promise<ProductOnAws> {
    const directory = mkdtempSync(join(tmpdir(), "postern-functions-"));
    const start = async (name: "api" | "schedule"): Promise<FunctionProcess> => {
      const { path } = await buildBundle(name, join(directory, name));
      return FunctionProcess.start({ bundle: path, environment: functionEnvironment(variables[name]) });
    };
    const [api, schedule] = await Promise.all([start("api"), start("schedule")]);
    const worker = new WorkerProcess(await workerBundle(), variables.worker);
    await worker.logged("started");
    return new ProductOnAws({ worker, api, schedule, variables, directory });
  }

  /** A request to the API, `PUT /v1/domains/example.com`, as an IAM caller makes it. */
  async ask(
    methodAndPath: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const [method = "", path = ""] = methodAndPath.split(" ");
    const event = gatewayEvent({
      method,
      path,
      authorizer: iamAuthorizer(),
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await this.#api.call(event)) as GatewayAnswer;
    const isJson = /json/u.test(String(answer.headers["content-type"]));
    return { status: answer.statusCode, json: isJson ? JSON.parse(answer.body) : null };
  }

  async sweep(sweep: Sweep): Promise<void> {
    await this.#schedule.call({ sweep });
  }

  /** A sweep as it runs so much later. */
  async sweepLater(sweep: Sweep, aheadMs: number): Promise<void> {
    const later = await FunctionProcess.start({
      bundle: join(this.#directory, "schedule/lambda.mjs"),
      environment: functionEnvironment(this.#variables.schedule),
      aheadMs,
    });
    try {
      await later.call({ sweep });
    } finally {
      await later.end();
    }
  }

  /** Another edge, which starts while the table cannot be read. */
  async startWithoutStore(): Promise<WorkerProcess> {
    return new WorkerProcess(await workerBundle(), { ...this.#variables.worker, ...AWAY });
  }

  async connect(worker = this.worker): Promise<SmtpClient> {
    const client = await SmtpClient.connect(await worker.port("mx"), FROM_CLIENT);
    await client.reply();
    return client;
  }

  /** The names on the certificate that an edge presents for a name. */
  async namesServed(servername: string, worker = this.worker): Promise<string> {
    const client = await this.connect(worker);
    await client.say("EHLO client.example");
    const socket: TLSSocket = await client.startTls({ servername });
    const { subjectaltname = "" } = socket.getPeerCertificate();
    client.close();
    return subjectaltname;
  }

  async close(): Promise<void> {
    await Promise.all([this.#api.end(), this.#schedule.end(), this.worker.end("SIGKILL")]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** As Lambda has it. */
const functionEnvironment = (variables: Variables): Variables => ({
  ...sdkEnvironment(),
  LOG_LEVEL: "info",
  ...variables,
});
