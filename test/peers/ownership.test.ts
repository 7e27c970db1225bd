import { afterAll, beforeAll, expect, it } from "vitest";
import type { DomainOwnership } from "../../core/management/ownership-view.ts";
import { httpUrl, readRunning } from "../../local/running.ts";
import { endEverything } from "../support/peers/endings.ts";
import { freePort } from "../support/peers/free-port.ts";
import { describeWith } from "../support/peers/needs.ts";
import { startNsd } from "../support/peers/nsd.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { SmtpClient } from "../support/smtp-client.ts";

/** Names that the zone shows to be the tenant's, each in another way, and names that it does not. */
const PROVEN = ["plain", "beside", "split", "alias", "wild"] as const;
const PENDING = ["upper", "inside", "many", "huge", "absent", "loop", "sub.wild", "xn--bcher-kva"] as const;

/** What of a domain is looked at. */
interface Answered {
  readonly revision: number;
  readonly ownership: DomainOwnership;
}

let product: Product;
let dnsPort = 0;
let tenant: (method: string, path: string, body?: unknown) => Promise<{ status: number; body: Answered }>;

const ownershipOf = async (label: string) =>
  (await tenant("GET", `/v1/domains/${label}.example`)).body.ownership;

/** Records of `_postern.<label>.example` with a value, as a zone file has them. */
function recordsOf(label: string, value: string): readonly string[] {
  const name = `_postern.${label}`;
  const [head, tail] = [value.slice(0, 10), value.slice(10)];
  switch (label) {
    case "beside":
      return [`${name} TXT "v=spf1 -all"`, `${name} TXT "${value}"`];
    case "split":
      return [`${name} TXT "${head}" "${tail}"`];
    case "alias":
      return [`${name} CNAME proof.elsewhere`, `proof.elsewhere TXT "${value}"`];
    case "wild":
      return [`*.wild TXT "${value}"`];
    case "upper":
      return [`${name} TXT "${value.toUpperCase()}"`];
    case "inside":
      return [`${name} TXT "a ${value} b"`];
    case "many":
      return [...Array.from({ length: 101 }, (_, n) => `${name} TXT "${n}"`), `${name} TXT "${value}"`];
    case "huge": {
      const strings = Array.from({ length: 70 }, () => `"${"a".repeat(250)}"`).join(" ");
      return [`${name} TXT ( ${strings} )`, `${name} TXT "${value}"`];
    }
    case "loop":
      return [`${name} CNAME ${name}`];
    case "plain":
      return [`${name} TXT "${value}"`];
    default:
      return [];
  }
}

async function rcptTo(domain: string): Promise<string> {
  const client = await SmtpClient.connect(product.smtpPort);
  await client.hear();
  for (const line of ["EHLO client.example", "MAIL FROM:<a@client.example>"]) await client.say(line);
  const reply = await client.say(`RCPT TO:<b@${domain}>`);
  client.socket.destroy();
  return reply;
}

describeWith(["nsd"])("names of a tenant, with a name server", () => {
  beforeAll(async () => {
    dnsPort = await freePort();
    product = await startProduct({ DNS_RESOLVERS: `127.0.0.1:${dnsPort}` });
    await product.api("PUT", "/v1/accounts/tenant", {});
    const scopes = ["domains:read", "domains:write"];
    const made = await product.api("POST", "/v1/tokens", { account: "tenant", scopes });
    const { token } = made.body as { readonly token: string };
    const running = readRunning(product.dataDir);
    if (running === null) throw new Error("the product does not run");
    tenant = async (method, path, body) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await fetch(`${httpUrl(running.api)}${path}`, { method, headers, ...sent });
      return { status: answer.status, body: (await answer.json()) as Answered };
    };
    const lines: string[] = [];
    for (const label of ["down", ...PROVEN, ...PENDING]) {
      const { body } = await tenant("PUT", `/v1/domains/${label}.example`, {});
      lines.push(...recordsOf(label, body.ownership.value ?? ""));
    }
    // Before there is a name server.
    await tenant("POST", "/v1/domains/down.example/verify");
    await startNsd(dnsPort, lines);
  });

  afterAll(endEverything);

  it("stay pending without an answer of DNS, with the time of the next look", async () => {
    const { state, lastCheck } = await ownershipOf("down");
    expect([state, lastCheck?.result]).toEqual(["pending", "unavailable"]);
    expect(Date.parse(lastCheck?.nextAt ?? "")).toBeGreaterThan(Date.parse(lastCheck?.at ?? ""));
  });

  it.each(PROVEN)("are served once the record is there: %s", async (label) => {
    const { body } = await tenant("POST", `/v1/domains/${label}.example/verify`);
    expect(body.ownership).toMatchObject({ state: "verified", lastCheck: null });
    await product.inForce(body.revision);
    expect(await rcptTo(`${label}.example`)).toMatch(/^250 2\.1\.5 /);
  });

  it.each<[(typeof PENDING)[number], string]>([
    ["upper", "different"],
    ["inside", "different"],
    ["many", "too-large"],
    ["huge", "too-large"],
    ["absent", "absent"],
    ["loop", "absent"],
    ["sub.wild", "different"],
    ["xn--bcher-kva", "absent"],
  ])("are not served otherwise: %s, %s", async (label, result) => {
    const { status, body } = await tenant("POST", `/v1/domains/${label}.example/verify`);
    expect([status, body.ownership.state, body.ownership.lastCheck?.result]).toEqual([
      200,
      "pending",
      result,
    ]);
    expect(await rcptTo(`${label}.example`)).toMatch(/^550 5\.7\.1 /);
  });
});
