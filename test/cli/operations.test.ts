import { describe, expect, it } from "vitest";
import { COMMAND_TABLE } from "../../cli/src/commands.ts";
import document from "../../openapi.json" with { type: "json" };
import { cliOn } from "./cli-on-api.ts";
import type { MemoryFile } from "./run-cli.ts";

/** Command lines that call an operation, or why no command does. */
const CALLED_BY: Readonly<Record<string, string | { readonly none: string }>> = {
  listDomains: "domains list",
  getDomain: "domains get example.com",
  putDomain: "domains put example.com",
  patchDomain: "set example.com level=require",
  deleteDomain: "domains delete example.com --if-match 1",
  getDomainTls: { none: "domains get has the settings of TLS" },
  putDomainTls: { none: "domains put writes the settings of TLS" },
  patchDomainTls: { none: "set changes the settings of TLS" },
  verifyDomain: "domains verify example.com",
  confirmDomain: "domains confirm example.com",
  batchDomains: "apply file.yaml",
  createCertificate: "certificates create --source self-signed --name mx.example",
  listCertificates: "certificates list",
  getCertificate: "certificates get cert_1",
  patchCertificate: "certificates set cert_1 label=mx",
  deleteCertificate: "certificates delete cert_1 --if-match 1",
  getCertificateChain: "certificates chain cert_1",
  getCertificateRequests: "certificates csr cert_1",
  putCertificateMaterial: "certificates material cert_1 --file file.pem --if-match 1",
  listCertificateVersions: "certificates versions cert_1",
  rollBackCertificate: "certificates rollback cert_1 --to 1 --if-match 1",
  makeNextCertificateKey: "certificates next-key cert_1 --if-match 1",
  discardNextCertificateKey: "certificates discard-next-key cert_1 --if-match 1",
  rotateCertificate: "certificates rotate cert_1 --if-match 1",
  renewCertificate: "certificates renew cert_1 --if-match 1",
  createTrustStore: "trust-stores create file.pem",
  listTrustStores: "trust-stores list",
  getTrustStore: "trust-stores get trust_1",
  putTrustStore: "trust-stores put trust_1 --file file.pem --if-match 1",
  deleteTrustStore: "trust-stores delete trust_1 --if-match 1",
  restoreTrustStore: "trust-stores restore trust_1 --revision 1 --if-match 1",
  getDomainStatus: "status example.com",
  getCertificateStatus: "certificates status cert_1",
  listEdges: "edges list",
  listChanges: "changes list",
  revertChange: "changes revert 1",
  evaluate: "evaluate --client 192.0.2.1 --from a@example.net --to b@example.com",
  getCaller: "whoami",
  createToken: "tokens create --scope domains:read",
  listTokens: "tokens list",
  getToken: "tokens get tok_1",
  deleteToken: "tokens delete tok_1 --if-match 1",
  listAccounts: "accounts list",
  getAccount: "accounts get acme",
  putAccount: "accounts put acme",
  deleteAccount: "accounts delete acme --if-match 1",
  listPrincipals: "principals list",
  getPrincipal: "principals get arn:aws:iam::123456789012:role/deploy",
  putPrincipal: "principals put arn:aws:iam::123456789012:role/deploy --scope domains:read",
  deletePrincipal: "principals delete arn:aws:iam::123456789012:role/deploy --if-match 1",
  getLiveness: { none: "for load balancers and monitors, without a token" },
  getReadiness: { none: "for load balancers and monitors, without a token" },
};

const LINES = Object.entries(CALLED_BY).flatMap(([operation, by]) =>
  typeof by === "string" ? [[operation, by] as const] : [],
);

/** Every operation of the document, with a pattern of its requests: `GET /v1/domains/…`. */
const OPERATIONS = new Map(
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]: [string, { readonly operationId: string }]) => {
      const template = path.replaceAll(/[.]/gu, String.raw`\$&`).replaceAll(/\{\w+\}/gu, "[^/]+");
      return [operationId, new RegExp(`^${method.toUpperCase()} ${template}$`, "u")] as const;
    }),
  ),
);

const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** Requests that a command line sends to an API that has nothing. */
async function requestsOf(line: string): Promise<readonly string[]> {
  const requests: string[] = [];
  const send = async ({ method, url }: Request): Promise<Response> => {
    requests.push(`${method} ${new URL(url).pathname}`);
    return Response.json({ items: [], unreadable: [], nextCursor: null }, { headers: { etag: '"1"' } });
  };
  const files = new Map<string, MemoryFile>([
    ["file.pem", { text: PEM, mode: 0o600 }],
    ["file.yaml", { text: "domains:\n  example.com: {}\n", mode: 0o600 }],
  ]);
  await cliOn(send, { files })(...line.split(" "));
  return requests;
}

describe("the operations of the API", () => {
  it("have a command each, or a reason why not", () => {
    expect(Object.keys(CALLED_BY)).toEqual([...OPERATIONS.keys()]);
  });

  it.each(LINES)("%s is called by: postern %s", async (operation, line) => {
    const requests = await requestsOf(line);
    const pattern = OPERATIONS.get(operation);
    expect(requests.filter((request) => pattern?.test(request) === true)).not.toEqual([]);
  });

  it("leave no command without one, apart from those that call several or none", () => {
    const others = COMMAND_TABLE.commands
      .map(({ path }) => path)
      .filter((path) => !LINES.some(([, line]) => line === path || line.startsWith(`${path} `)));
    expect(others).toEqual([
      "login",
      "probe",
      "plan",
      "export",
      "domains set",
      "certificates upload",
      "trust-stores pem",
      "trust-stores set",
      "principals set",
      "accounts set",
      "completion",
    ]);
  });
});
