import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPostern, type Postern } from "../../sdk/src/index.ts";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { examplesIn, PROJECTS, SdkProject } from "../sdk/packed-sdk.ts";

const HANDLER =
  examplesIn(readFileSync(join(import.meta.dirname, "../../docs/iac.md"), "utf8")).find(
    ({ heading }) => heading === "CloudFormation",
  )?.code ?? "";

let project: SdkProject;
let postern: Postern;
let server: Server;
let dataDir = "";
let env: Readonly<Record<string, string>> = {};
/** Where CloudFormation has its answers put, and what was put there. */
let responseUrl = "";
const answers: Record<string, unknown>[] = [];

beforeAll(async () => {
  project = new SdkProject();
  dataDir = newDataDir();
  const gate = new PosternProcess(dataDir);
  const { api } = await gate.started();
  env = { POSTERN_URL: httpUrl(api), POSTERN_TOKEN: gate.token };
  postern = createPostern({ url: httpUrl(api), auth: { token: gate.token } });
  server = createServer((request, response) => {
    const answered = async (): Promise<void> => {
      answers.push(JSON.parse(await text(request)) as Record<string, unknown>);
      response.end();
    };
    void answered();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("the server has no port");
  responseUrl = `http://127.0.0.1:${address.port}/answer`;
});

afterAll(async () => {
  server.close();
  await endAll();
  project.remove();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Runs the handler of the page with an event of CloudFormation; its answer. */
async function send(event: Readonly<Record<string, unknown>>): Promise<Record<string, unknown> | undefined> {
  const whole = {
    ServiceToken: "arn:aws:lambda:eu-central-1:123456789012:function:domain",
    ResponseURL: responseUrl,
    StackId: "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1",
    RequestId: "6a6f7b0c-0000-4000-8000-000000000001",
    ResourceType: "Custom::PosternDomain",
    LogicalResourceId: "Example",
    ...event,
  };
  const encoded = Buffer.from(JSON.stringify(whole)).toString("base64url");
  const program = `${HANDLER}\nawait handler(JSON.parse(Buffer.from("${encoded}", "base64url").toString()));`;
  const { errors, exitCode } = await project.run(program, process.execPath, env);
  expect({ errors, exitCode }).toEqual({ errors: "", exitCode: 0 });
  return answers.at(-1);
}

describe("the custom resource of CloudFormation in docs/iac.md", () => {
  it("creates, changes, renames and deletes a domain", async () => {
    const created = await send({
      RequestType: "Create",
      ResourceProperties: { Name: "cfn.example.org", Settings: '{"tls":{"server":{"level":"require"}}}' },
    });
    expect(created).toMatchObject({
      Status: "SUCCESS",
      PhysicalResourceId: "cfn.example.org",
      LogicalResourceId: "Example",
    });
    expect((await postern.domains.get("cfn.example.org")).tls.server.level).toBe("require");

    const id = { PhysicalResourceId: "cfn.example.org" };
    await send({ RequestType: "Update", ...id, ResourceProperties: { Name: "cfn.example.org" } });
    expect((await postern.domains.get("cfn.example.org")).tls.server.level).toBe("accept");

    const renamed = await send({
      RequestType: "Update",
      ...id,
      ResourceProperties: { Name: "cfn2.example.org" },
    });
    expect(renamed).toMatchObject({ PhysicalResourceId: "cfn2.example.org" });
    await send({ RequestType: "Delete", ...id, ResourceProperties: { Name: "cfn.example.org" } });
    await expect(postern.domains.get("cfn.example.org")).rejects.toThrow("not-found");
    expect(
      await send({ RequestType: "Delete", ...id, ResourceProperties: { Name: "cfn.example.org" } }),
    ).toMatchObject({
      Status: "SUCCESS",
    });
    expect((await postern.domains.get("cfn2.example.org")).name).toBe("cfn2.example.org");
  });

  it("leaves a domain alone that was there before, also when its failed creation is deleted", async () => {
    await postern.domains.put("before.example.org", { labels: { owner: "other" } });
    const failed = await send({ RequestType: "Create", ResourceProperties: { Name: "before.example.org" } });
    expect(failed).toMatchObject({ Status: "FAILED", Reason: expect.stringContaining("stale-revision") });
    const deleted = await send({
      RequestType: "Delete",
      PhysicalResourceId: failed?.["PhysicalResourceId"],
      ResourceProperties: { Name: "before.example.org" },
    });
    expect(deleted).toMatchObject({ Status: "SUCCESS" });
    expect((await postern.domains.get("before.example.org")).labels).toEqual({ owner: "other" });
  });

  it("type-checks in a strict project", async () => {
    const [kind] = PROJECTS;
    expect(kind && (await project.typeErrors(HANDLER, kind))).toBe("");
  });
});

describe("Terraform's generic REST provider in docs/iac.md", () => {
  it("manages a domain by the requests that its settings make it send", async () => {
    const request = async (method: string, path: string, body?: object) => {
      const response = await fetch(`${env["POSTERN_URL"] ?? ""}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${env["POSTERN_TOKEN"] ?? ""}`,
          "content-type": "application/json",
          "if-match": "*",
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = await response.text();
      return { status: response.status, answer: answer === "" ? null : (JSON.parse(answer) as object) };
    };
    const settings = { mxHosts: ["mx1.example.org"], tls: { server: { level: "require" } } };
    const path = "/v1/domains/tf.example.org";
    const items = [{ name: "tf.example.org", put: settings }];
    expect((await request("POST", "/v1/domains:batch", { items })).status).toBe(200);
    expect(await request("GET", path)).toMatchObject({ status: 200, answer: settings });
    expect((await request("PUT", path, { ...settings, labels: { a: "b" } })).status).toBe(200);
    expect((await postern.domains.get("tf.example.org")).labels).toEqual({ a: "b" });
    expect((await request("DELETE", path)).status).toBe(204);
    expect((await request("GET", path)).status).toBe(404);
  });
});
