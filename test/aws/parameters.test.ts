import { randomUUID } from "node:crypto";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect, it, onTestFinished, vi } from "vitest";
import { openParameters } from "../../adapters/aws/issuance-services.ts";
import { Unavailable } from "../../core/errors.ts";
import { startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy } from "../support/aws/on-aws.ts";

describeBehindProxy("secrets in Parameter Store", () => {
  async function stored(value: string): Promise<string> {
    const client = new SSMClient();
    const Name = `/postern/test/${randomUUID()}`;
    await client.send(new PutParameterCommand({ Name, Value: value, Type: "SecureString", Overwrite: true }));
    client.destroy();
    return Name;
  }

  it("are read decrypted, whole and as they are now", async () => {
    const read = openParameters();
    const secret = `${"k".repeat(4_000)}=_-`;
    const name = await stored(secret);
    expect(await read(name)).toBe(secret);
    expect(await read(await stored("another"))).toBe("another");
  });

  it("are null when no parameter has the name", async () => {
    expect(await openParameters()(`/postern/test/${randomUUID()}`)).toBeNull();
  });

  it("are unavailable, and not absent, for a role that may not read them", async () => {
    const proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_SSM"] ?? "");
    vi.stubEnv("AWS_ENDPOINT_URL_SSM", proxy.endpoint);
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await proxy.close();
    });
    const body = JSON.stringify({ __type: "AccessDeniedException", message: "not authorized" });
    proxy.always("GetParameter", { kind: "answer", status: 400, body, type: "application/x-amz-json-1.1" });
    await expect(openParameters()("/postern/secret")).rejects.toBeInstanceOf(Unavailable);
  });
});
