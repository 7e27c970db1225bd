import { describe, expect, it } from "vitest";
import * as z from "zod";
import { readEnvironment, WrongEnvironment } from "../environment.ts";
import { acmeDirectoriesVariable, acmeEabKeysVariable, checkEabKeys } from "./acme-directories.ts";

const schema = z.object({
  ACME_DIRECTORIES: acmeDirectoriesVariable.optional(),
  ACME_EAB_HMAC_KEYS: acmeEabKeysVariable.optional(),
});

function read(directories: unknown, keys: unknown = {}) {
  const [ACME_DIRECTORIES, ACME_EAB_HMAC_KEYS] = [directories, keys].map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  const values = readEnvironment(schema, { ACME_DIRECTORIES, ACME_EAB_HMAC_KEYS });
  checkEabKeys(values.ACME_DIRECTORIES ?? [], values.ACME_EAB_HMAC_KEYS ?? {});
  return values;
}

function problemOf(directories: unknown, keys: unknown = {}): string {
  try {
    read(directories, keys);
  } catch (error) {
    if (error instanceof WrongEnvironment) return error.message;
    throw error;
  }
  return "";
}

const url = "https://acme.example/directory";
const SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

describe("ACME_DIRECTORIES", () => {
  it("are read in their order, with what is left out", () => {
    const contact = ["mailto:admin@example.com"];
    const { ACME_DIRECTORIES: directories } = read(
      { "step-ca": { url, caFile: "/etc/ssl/company.pem" }, zerossl: { url, contact, eabKeyId: "kid-1" } },
      { zerossl: SECRET },
    );
    expect(directories).toEqual([
      { name: "step-ca", url, contact: [], eabKeyId: null, caFile: "/etc/ssl/company.pem" },
      { name: "zerossl", url, contact, eabKeyId: "kid-1", caFile: null },
    ]);
  });

  it("may be none", () => {
    expect(read({}).ACME_DIRECTORIES).toEqual([]);
  });

  it.each<readonly [string, unknown, string]>([
    ["no JSON", "{", "must be a JSON object: name → { url, contact?, eabKeyId?, caFile? }"],
    ["a list", [], "must be a JSON object: name → { url, contact?, eabKeyId?, caFile? }"],
    ["a name in capitals", { LE: { url } }, "the name of a directory must be 1 to 32 of a-z 0-9 and -"],
    ["an empty name", { "": { url } }, "the name of a directory must be 1 to 32 of a-z 0-9 and -"],
    [
      "a long name",
      { ["a".repeat(33)]: { url } },
      "the name of a directory must be 1 to 32 of a-z 0-9 and -",
    ],
    ["a URL alone", { le: url }, "le: must be an object"],
    ["no URL", { le: {} }, "le.url must be a URL"],
    [
      "plain HTTP",
      { le: { url: "http://acme.example/" } },
      "le.url must be an https URL without credentials",
    ],
    ["a file", { le: { url: "file:///etc/passwd" } }, "le.url must be an https URL without credentials"],
    ["credentials", { le: { url: "https://u:p@acme.example/" } }, "le.url must be an https URL without"],
    ["a fragment", { le: { url: `${url}#x` } }, "le.url must be an https URL without"],
    ["a long URL", { le: { url: `${url}/${"x".repeat(512)}` } }, "le.url must be at most 512 characters"],
    [
      "a telephone",
      { le: { url, contact: ["tel:1"] } },
      "le.contact must be a list of at most 5 mailto: URLs",
    ],
    [
      "two addresses",
      { le: { url, contact: ["mailto:a@b.example,c@d.example"] } },
      "le.contact must be a list",
    ],
    [
      "many contacts",
      { le: { url, contact: Array(6).fill("mailto:a@b.example") } },
      "le.contact must be a list",
    ],
    ["a blank key id", { le: { url, eabKeyId: "a b" } }, "le.eabKeyId must be 1 to 256 printable ASCII"],
    ["a relative file", { le: { url, caFile: "company.pem" } }, "le.caFile must be an absolute path"],
    ["an unknown member", { le: { url, eabHmacKey: SECRET } }, "le: unknown member; known are url"],
    ["a number", { le: { url, caFile: 1 } }, "le.caFile must be an absolute path"],
    [
      "too many",
      Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`d${String(n)}`, { url }])),
      "must hold at most 20 directories",
    ],
  ])("with %s are refused with the place and the reason", (_title, value, reason) => {
    const message = problemOf(value);
    expect(message).toContain(`ACME_DIRECTORIES: ${reason}`);
    expect(message).not.toContain(SECRET);
  });
});

describe("ACME_EAB_HMAC_KEYS", () => {
  const directories = { zerossl: { url, eabKeyId: "kid-1" }, letsencrypt: { url } };

  it.each([
    ["without padding", SECRET.slice(0, 43)],
    ["with padding", `${SECRET.slice(0, 43)}=`],
    ["of 48 octets", SECRET],
    ["and base64", `+/${SECRET}`],
  ])("are base64url %s", (_title, text) => {
    const { ACME_EAB_HMAC_KEYS: keys } = read(directories, { zerossl: text });
    expect(keys).toEqual({ zerossl: Buffer.from(text, "base64url") });
  });

  it.each<readonly [string, unknown, string]>([
    ["no JSON", `{"zerossl":"${SECRET}"`, "must be a JSON object: name of a directory → HMAC key"],
    ["a key that is no text", { zerossl: 1 }, "zerossl: must be base64url of 16 to 768 octets"],
    ["a short key", { zerossl: "abc" }, "zerossl: must be base64url of 16 to 768 octets"],
    ["other characters", { zerossl: `${SECRET}!` }, "zerossl: must be base64url of 16 to 768 octets"],
    ["a key in place of a name", { [SECRET]: "x" }, "the name of a directory must be"],
    ["none for a directory", {}, "has no key for zerossl, which has eabKeyId"],
    [
      "one too many",
      { zerossl: SECRET, letsencrypt: SECRET },
      "has a key for letsencrypt, which is no directory with eabKeyId in ACME_DIRECTORIES",
    ],
  ])("with %s are refused, and no key is shown", (_title, keys, reason) => {
    const message = problemOf(directories, keys);
    expect(message).toContain(`ACME_EAB_HMAC_KEYS: ${reason}`);
    expect(message).not.toContain(SECRET);
  });
});
