import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { AskedOfAcm } from "./asked-of-acm.ts";
import { askedOfDynamoDb } from "./asked-of-dynamodb.ts";
import { askedOfRoute53 } from "./asked-of-route53.ts";
import { askedOfSsm } from "./asked-of-ssm.ts";
import { AskedOfS3, type S3Options } from "./asked-of-s3.ts";
import { type AwsAnswer, type AwsRequest, readAwsRequest } from "./aws-request.ts";
import { type Ask, judge, type Rights } from "./judge.ts";
import { Unmapped } from "./policy.ts";

export interface GateOptions extends S3Options {
  readonly account: string;
  /** Rights by role. A client signs with its role's name as access key. */
  readonly roles: ReadonlyMap<string, Rights>;
  /** Where the services are, by the name that signatures have for them. */
  readonly targets: Readonly<Record<string, string>>;
  /** ARN of the key that SecureStrings are under; absent = AWS's own. */
  readonly parameterKey?: string | null;
  /** The access key that the services take. */
  readonly accessKey: string;
}

/** Stands where AWS authorises a request, and lets nothing pass that a role's policies do not allow. */
export interface Gate {
  readonly endpoint: string;
  /** What each role asked for, each once. */
  asks(role: string): readonly Ask[];
  /** `EdgeTaskRole s3:PutObject arn:… (no-grant)`, each once. */
  readonly denied: readonly string[];
  /** Requests of which it is not known here what AWS would ask: none of them passes. */
  readonly unmapped: readonly string[];
  close(): Promise<void>;
}

export async function startGate(options: GateOptions): Promise<Gate> {
  const recording = new Recording();
  const services = servicesOf(options);
  const server = createServer((incoming, response) => {
    void pass(incoming, { options, services, recording }).then(
      (answer) => send(response, answer),
      () => response.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    asks: (role) => [...(recording.asks.get(role)?.values() ?? [])],
    get denied() {
      return [...recording.denied];
    },
    get unmapped() {
      return [...recording.unmapped];
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

class Recording {
  /** By role, and by what was asked: edges poll many times a second. */
  readonly asks = new Map<string, Map<string, Ask>>();
  readonly denied = new Set<string>();
  readonly unmapped = new Set<string>();

  /** The first that is denied, if any. @throws Unmapped */
  judge({ principal }: AwsRequest, asks: readonly Ask[], roles: GateOptions["roles"]): Ask | null {
    const rights = roles.get(principal);
    if (rights === undefined) throw new Unmapped(`the role ${principal}`);
    const known = this.asks.get(principal) ?? new Map<string, Ask>();
    this.asks.set(principal, known);
    for (const ask of asks) {
      known.set(JSON.stringify(ask), ask);
      const judgement = judge(ask, rights);
      if (judgement.kind === "allowed") continue;
      this.denied.add(`${principal} ${ask.action} ${ask.resource} (${judgement.reason})`);
      return ask;
    }
    return null;
  }
}

interface Service {
  /** @throws Unmapped */
  before(request: AwsRequest): readonly Ask[];
  after(request: AwsRequest, answer: AwsAnswer): readonly Ask[];
}

function servicesOf({ defaults, parameterKey = null }: GateOptions): Readonly<Record<string, Service>> {
  const acm = new AskedOfAcm();
  return {
    dynamodb: { before: askedOfDynamoDb, after: () => [] },
    s3: new AskedOfS3({ defaults }),
    route53: { before: askedOfRoute53, after: () => [] },
    ssm: { before: askedOfSsm(parameterKey), after: () => [] },
    acm: {
      before: (made) => acm.before(made),
      after: (made, answer) => {
        acm.after(made, answer);
        return [];
      },
    },
  };
}

interface Passing {
  readonly options: GateOptions;
  readonly services: Readonly<Record<string, Service>>;
  readonly recording: Recording;
}

async function pass(incoming: IncomingMessage, passing: Passing): Promise<AwsAnswer> {
  const { options, services, recording } = passing;
  const body = await buffer(incoming);
  try {
    const made = readAwsRequest(incoming, body, options.account);
    const service = services[made.service];
    const target = options.targets[made.service];
    if (service === undefined || target === undefined) throw new Unmapped(`the service ${made.service}`);
    const denied = recording.judge(made, service.before(made), options.roles);
    if (denied !== null) return refusal(made, denied);
    const answer = await forward(made, target, options.accessKey);
    const hidden = recording.judge(made, service.after(made, answer), options.roles);
    return hidden === null ? answer : refusal(made, hidden);
  } catch (error) {
    const message = error instanceof Unmapped ? error.message : String(error);
    recording.unmapped.add(message);
    // A status that no client takes for a moment's trouble and tries again.
    return { status: 400, headers: {}, body: Buffer.from(JSON.stringify({ __type: "Unmapped", message })) };
  }
}

/** As each service says it. */
function refusal({ service, principal }: AwsRequest, { action, resource }: Ask): AwsAnswer {
  const message = `${principal} is not authorized to perform ${action} on ${resource}`;
  if (service === "s3") {
    const body = `<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`;
    return { status: 403, headers: { "content-type": "application/xml" }, body: Buffer.from(body) };
  }
  if (service === "route53") {
    const error = `<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error>`;
    const xml = `<ErrorResponse>${error}<RequestId>1</RequestId></ErrorResponse>`;
    return { status: 403, headers: { "content-type": "text/xml" }, body: Buffer.from(xml) };
  }
  const body = JSON.stringify({ __type: "com.amazon.coral.service#AccessDeniedException", message });
  return { status: 400, headers: { "content-type": "application/x-amz-json-1.1" }, body: Buffer.from(body) };
}

/** The emulators check no signature, and DynamoDB Local keeps a database for each access key. */
async function forward(
  { url, headers, body, principal, method }: AwsRequest,
  target: string,
  accessKey: string,
): Promise<AwsAnswer> {
  const outgoing = request(new URL(url.pathname + url.search, target), {
    method,
    headers: {
      ...headers,
      authorization: headers.authorization?.replace(`Credential=${principal}/`, `Credential=${accessKey}/`),
    },
    agent: false,
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const { "transfer-encoding": _, connection: __, ...kept } = response.headers;
  return { status: response.statusCode ?? 500, headers: kept, body: await buffer(response) };
}

function send(response: ServerResponse, { status, headers, body }: AwsAnswer): void {
  response.writeHead(status, headers);
  response.end(body);
}
