import { type Domain, PosternError, type Tagged } from "../../../sdk/src/index.ts";
import { failuresOf } from "./input-check.ts";
import type { Found, RecordKind } from "./record-kind.ts";
import { without } from "./values.ts";

const found = (domain: Tagged<Domain>): Found => ({
  id: domain.name,
  etag: domain.etag,
  record: { ...domain },
});

export const DOMAIN: RecordKind = {
  noun: "domain",
  settings: ["mxHosts", "tls", "delivery", "acknowledgedWarnings", "labels"],
  outputs: ["revision", "warnings"],
  check: (inputs) => [
    ...failuresOf(inputs, "DomainInput"),
    ...(typeof inputs["name"] === "string" ? [] : [{ property: "name", reason: "The name of the domain." }]),
  ],
  replacedBy: (before, after) => (before["name"] === after["name"] ? [] : ["name"]),
  isSameName: (before, after) => before["name"] === after["name"],
  nameOf: ({ name }) => String(name),
  create: async ({ domains }, inputs) => {
    const name = String(inputs["name"]);
    try {
      return found(await domains.put(name, without(inputs, ["name"]), { ifNoneMatch: "*" }));
    } catch (error) {
      if (!(error instanceof PosternError) || error.code !== "stale-revision") throw error;
      throw new TypeError(`domain ${name} exists: adopt: true takes it over`, {
        cause: error,
      });
    }
  },
  find: async ({ domains }, name) => found(await domains.get(name)),
  update: async ({ domains }, { id, etag, after }) =>
    found(await domains.put(id, without(after, ["name"]), { ifMatch: etag })),
  delete: ({ domains }, id, etag) => domains.delete(id, { ifMatch: etag }),
};
