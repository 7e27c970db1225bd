import { expect, it } from "vitest";
import type { CertificateMaterial } from "../core/x509/serving-material.ts";
import { renewOnEdge } from "./compose-worker.ts";

const MATERIAL: CertificateMaterial = { keys: [] };

it.each([
  ["that is not made", () => Promise.reject(new Error("not made")), () => undefined, ["not made"]],
  [
    "that does not load",
    () => Promise.resolve(MATERIAL),
    () => {
      throw new Error("does not load");
    },
    ["does not load"],
  ],
  ["that loads", () => Promise.resolve(MATERIAL), () => undefined, []],
])(
  "a new default certificate %s never ends the edge",
  async (_title, renew, replaceDefaultCertificate, logged) => {
    const errors: unknown[] = [];
    await renewOnEdge({ replaceDefaultCertificate }, renew, (event, fields) => {
      errors.push([event, fields?.["error"]]);
    });
    expect(errors).toEqual(logged.map((message) => ["default-certificate-problem", new Error(message)]));
  },
);
