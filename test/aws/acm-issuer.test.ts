import { ACMClient, DescribeCertificateCommand } from "@aws-sdk/client-acm";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AcmIssuer, createAcmClient } from "../../adapters/aws/acm-issuer.ts";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { type CallLimits, ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { RuleViolation, StateConflict, Unavailable } from "../../core/errors.ts";
import { certificateIssuerContract } from "../contract/certificate-issuer.contract.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { certificateId } from "../support/records.ts";

describeOnAws("on AWS", () => {
  certificateIssuerContract({
    name: "ACM",
    create: async () => {
      const client = createAcmClient();
      return {
        issuer: new AcmIssuer({ client, calls: new ServiceCalls("certificate issuer") }),
        issued: async (arn) => {
          await waitUntil(
            async () => {
              const { Certificate } = await client.send(
                new DescribeCertificateCommand({ CertificateArn: arn }),
              );
              return Certificate?.Status === "ISSUED" ? true : undefined;
            },
            { what: `${arn} is issued`, explain: () => "" },
          );
        },
        close: async () => client.destroy(),
      };
    },
  });
});

const acmError = (name: string, status = 400): Fault => ({
  kind: "answer",
  status,
  type: "application/x-amz-json-1.1",
  body: JSON.stringify({ __type: name, message: "injected" }),
});

/** For what is answered, however busy the machine is. */
const PATIENT = { deadlineMs: 120_000, tryMs: 60_000 };
/** For what is not. */
const HASTY = { deadlineMs: 1_500, tryMs: 500 };

describeOnAws("faults between us and ACM", () => {
  let proxy: FaultProxy;
  let client: ACMClient;
  let issuer: AcmIssuer;
  let n = 0;
  beforeEach(async () => {
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_ACM"] ?? "");
    client = new ACMClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    issuer = issuerWith(PATIENT);
  });
  afterEach(async () => {
    client.destroy();
    await proxy.close();
  });

  const issuerWith = (limits: CallLimits): AcmIssuer =>
    new AcmIssuer({ client, calls: new ServiceCalls("certificate issuer", limits) });
  const order = (names: readonly string[] = ["mx.example.com"]): Promise<string> => {
    n += 1;
    return issuer.order({ id: certificateId(Date.now() + 700_000 + n), names, keyType: "ecdsa-p256" });
  };
  const detail = (fields: object): Fault => ({
    kind: "change",
    body: (body) => {
      const { Certificate } = JSON.parse(body);
      return JSON.stringify({ Certificate: { ...Certificate, ...fields } });
    },
  });

  it("orders an exportable certificate of the requested kind, validated by DNS, once, even if responses are lost", async () => {
    proxy.inject("RequestCertificate", { kind: "cut" }, acmError("ThrottlingException"));
    const arn = await order(["mx.example.com", "*.example.com"]);
    const requests = proxy.seen.filter(({ operation }) => operation === "RequestCertificate");
    expect(requests).toHaveLength(3);
    const bodies = requests.map(({ body }) => JSON.parse(body));
    expect(new Set(bodies.map(({ IdempotencyToken }) => IdempotencyToken)).size).toBe(1);
    expect(bodies[0]).toMatchObject({
      DomainName: "mx.example.com",
      SubjectAlternativeNames: ["mx.example.com", "*.example.com"],
      ValidationMethod: "DNS",
      KeyAlgorithm: "EC_prime256v1",
      Options: { Export: "ENABLED" },
      IdempotencyToken: expect.stringMatching(/^\w{1,32}$/),
    });
    expect(await issuer.describe(arn)).toMatchObject({ validation: [{ domain: "*.example.com" }, {}] });
    await issuer.delete(arn);
  });

  it.each([
    ["LimitExceededException", "issuer-limit"],
    ["InvalidParameterException", "issuer-refuses"],
    ["ValidationException", "issuer-refuses"],
  ])("%s to an order is %s at the names", async (name, code) => {
    proxy.always("RequestCertificate", acmError(name));
    const refused = await order().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RuleViolation);
    expect(refused).toMatchObject({ issues: [{ pointer: "/names", code }] });
    expect(proxy.seen).toHaveLength(1);
  });

  it.each([
    ["it is throttled", acmError("ThrottlingException")],
    ["it has a fault", acmError("InternalFailure", 500)],
    ["access is denied", acmError("AccessDeniedException")],
    ["it gives no answer", { kind: "hang" } as const],
    ["its answer is cut", { kind: "truncate" } as const],
  ])("is Unavailable, in the end, when %s", async (_, fault) => {
    const arn = await order();
    proxy.always("DescribeCertificate", fault);
    await expect(issuerWith(HASTY).describe(arn)).rejects.toBeInstanceOf(Unavailable);
    await issuer.delete(arn);
  });

  it.each([
    [{ Status: "FAILED", FailureReason: "CAA_ERROR" }, "ACM could not issue it (CAA_ERROR)"],
    [
      { Status: "VALIDATION_TIMED_OUT" },
      "the DNS records of validation were not there within 72 hours; order a new one",
    ],
    [{ Status: "REVOKED" }, "ACM revoked it"],
    [{ Status: "EXPIRED" }, "it expired at ACM without being renewed"],
  ])("%j is failed: %s", async (fields, problem) => {
    const arn = await order();
    proxy.always("DescribeCertificate", detail(fields));
    expect(await issuer.describe(arn)).toMatchObject({ kind: "failed", problem });
    await issuer.delete(arn);
  });

  it.each([
    ["PENDING_AUTO_RENEWAL", null],
    ["SUCCESS", null],
    ["PENDING_VALIDATION", "its renewal waits for the DNS records of validation"],
    ["FAILED", "its renewal failed (no reason was given)"],
  ])("a renewal that is %s is issued with the problem %j", async (RenewalStatus, problem) => {
    const arn = await order();
    proxy.always("DescribeCertificate", detail({ Status: "ISSUED", RenewalSummary: { RenewalStatus } }));
    expect(await issuer.describe(arn)).toMatchObject({ kind: "issued", problem });
    await issuer.delete(arn);
  });

  it("shows no DNS records until ACM has them", async () => {
    const arn = await order();
    proxy.always(
      "DescribeCertificate",
      detail({ DomainValidationOptions: [{ DomainName: "mx.example.com" }] }),
    );
    expect(await issuer.describe(arn)).toMatchObject({ validation: [] });
    await issuer.delete(arn);
  });

  it("is in use when another resource of the account serves it", async () => {
    const arn = await order();
    proxy.inject("DeleteCertificate", acmError("ResourceInUseException"));
    await expect(issuer.delete(arn)).rejects.toBeInstanceOf(StateConflict);
    await issuer.delete(arn);
  });
});
