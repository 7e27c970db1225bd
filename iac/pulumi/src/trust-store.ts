import type { Tagged, TrustStore, TrustStoreDocument, TrustStoreInput } from "../../../sdk/src/index.ts";
import { failuresOf } from "./input-check.ts";
import { labelled } from "./labelled.ts";
import type { Found, RecordKind } from "./record-kind.ts";

const found = (store: Tagged<TrustStore>): Found => ({
  id: store.id,
  etag: store.etag,
  record: { ...store },
});

export const TRUST_STORE: RecordKind = {
  noun: "trust store",
  settings: ["label", "labels", "certificatesPem", "crlPem"],
  outputs: ["revision", "contentSha256"],
  check: (inputs) => failuresOf(inputs, "TrustStoreInput"),
  replacedBy: () => [],
  isSameName: () => false,
  nameOf: ({ label }) => (typeof label === "string" ? label : ""),
  create: async ({ trustStores }, inputs) =>
    found(await trustStores.create(inputs as unknown as TrustStoreInput)),
  find: async ({ trustStores }, name) =>
    labelled(name, { get: async (id) => found(await trustStores.get(id)), list: () => trustStores.list() }),
  update: async ({ trustStores }, { id, etag, after }) =>
    found(await trustStores.put(id, after as unknown as TrustStoreDocument, { ifMatch: etag })),
  delete: ({ trustStores }, id, etag) => trustStores.delete(id, { ifMatch: etag }),
};
