import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { examplesIn, PROJECTS, SdkProject } from "./packed-sdk.ts";

const EXAMPLES = examplesIn(readFileSync(join(import.meta.dirname, "../../docs/sdk.md"), "utf8"));

/** What each example prints, in the order of the page: a later one uses what an earlier one wrote. */
const PRINTED: Readonly<Record<string, RegExp>> = {
  Connect: /^default operator\n$/u,
  "AWS Signature Version 4": /^AWS4-HMAC-SHA256\nfunction\n$/u,
  "Records and revisions": /^defer mail\n$/u,
  Lists: /^example\.org accept\n1 0\ncreate\nupdate\nupdate\n$/u,
  "Take a change back": /^update\nnull\n$/u,
  Errors: /^\/mxHosts\/0 [a-z-]+\n$/u,
  "Retries, timeouts and cancellation": /^no longer needed\n$/u,
  "Wait until a change is in force": /^true\n$/u,
  "Ask what a sender would receive": /^defer 450 4\.7\.1 .+ tls-required\n$/u,
  Certificates: /^true active\n-----BEGIN CERTIFICATE-----\n$/u,
  "A partner with a client certificate": /^require the partner's old gateway\n$/u,
  "Names of a tenant": /^pending _postern\.acme\.example\npending (?:absent|unavailable)\nverified\n$/u,
  Tokens: /^domains:read\n$/u,
};

let project: SdkProject;
let dataDir = "";
let env: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  project = new SdkProject();
  dataDir = newDataDir();
  const postern = new PosternProcess(dataDir);
  const { api } = await postern.started();
  env = { POSTERN_URL: httpUrl(api), POSTERN_TOKEN: postern.token };
});

afterAll(async () => {
  await endAll();
  project.remove();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("the examples of docs/sdk.md", () => {
  it("are one for each heading", () => {
    expect(EXAMPLES.map(({ heading }) => heading)).toEqual(Object.keys(PRINTED));
  });

  it.each(EXAMPLES)("print what they should: $heading", async ({ heading, code }) => {
    const { output, errors, exitCode } = await project.run(code, process.execPath, env);
    expect({ errors, exitCode }).toEqual({ errors: "", exitCode: 0 });
    expect(output).toMatch(PRINTED[heading] ?? /^$/u);
  });

  it.each(EXAMPLES)("type-check in a strict project: $heading", async ({ code }) => {
    const [kind] = PROJECTS;
    expect(kind && (await project.typeErrors(code, kind))).toBe("");
  });
});
