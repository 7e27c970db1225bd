import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WrongEnvironment } from "../../core/environment.ts";
import { Unavailable } from "../../core/errors.ts";
import type { AcmeCas } from "../../core/management/acme-ca.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { createAcmeCas, eabKeysIn } from "./acme-cas.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "acme-cas-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const withFile = (caFile: string | null): AcmeCas =>
  createAcmeCas({
    directories: [{ name: "company", url: "https://ca.example/", contact: [], eabKeyId: null, caFile }],
    readEabKey: async () => null,
    clock: { now: () => 0 },
    release: null,
  });

describe("the CAs of a deployment", () => {
  it("have the names of ACME_DIRECTORIES, and no other is known", () => {
    const cas = withFile(null);
    expect(cas.names).toEqual(["company"]);
    expect(cas.ca("company")).not.toBeNull();
    expect(cas.ca("letsencrypt")).toBeNull();
    expect(cas.ca("constructor")).toBeNull();
  });

  it("take a file of roots as companies write them", () => {
    const path = join(directory, "roots.pem");
    writeFileSync(path, `# Company\r\n${makeCa().rootPem}\n\n${makeCa().rootPem}`);
    expect(withFile(path).names).toEqual(["company"]);
  });

  it.each([
    ["that is absent", null, "cannot be read"],
    ["that is empty", "", "must be a PEM file of certificates alone"],
    ["with a key", issueServer({ names: [] }).privateKeyPem, "must be a PEM file of certificates alone"],
    ["that is damaged", makeCa().rootPem.slice(0, -40), "must be a PEM file of certificates alone"],
  ])("refuse a file %s by the variable, without its content", (_title, content, reason) => {
    const path = join(directory, "wrong.pem");
    rmSync(path, { force: true });
    if (content !== null) writeFileSync(path, content);
    const refused = (): unknown => withFile(path);
    expect(refused).toThrow(WrongEnvironment);
    expect(refused).toThrow(`ACME_DIRECTORIES: company.caFile ${reason}`);
  });
});

describe("HMAC keys in a store of secrets", () => {
  const keys = { "/p/acme-eab/zerossl": "QUJDREVGR0hJSktMTU5PUA\n", "/p/acme-eab/odd": "not base64url!" };
  const secrets = { read: async (name: string) => new Map(Object.entries(keys)).get(name) ?? null };
  const read = eabKeysIn(secrets, {
    zerossl: "/p/acme-eab/zerossl",
    odd: "/p/acme-eab/odd",
    gone: "/p/gone",
  });

  it("are read by the directory's name", async () => {
    expect(await read("zerossl")).toEqual(Buffer.from("ABCDEFGHIJKLMNOP"));
    expect(await read("gone")).toBeNull();
    expect(await read("other")).toBeNull();
    expect(await read("constructor")).toBeNull();
  });

  it("that are none are named, and not shown", async () => {
    const error = await read("odd").catch((reason: unknown) => reason);
    expect(error).toEqual(new Unavailable("/p/acme-eab/odd holds no HMAC key in base64url"));
  });
});
