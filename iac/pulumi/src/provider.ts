import { CERTIFICATE } from "./certificate.ts";
import { DOMAIN } from "./domain.ts";
import { providerOf } from "./lifecycle.ts";
import { TRUST_STORE } from "./trust-store.ts";

/** The entry point that the state of each resource names: see `handlerOf` in index.ts. */
export const domain = () => providerOf(DOMAIN, process.env);
export const certificate = () => providerOf(CERTIFICATE, process.env);
export const trustStore = () => providerOf(TRUST_STORE, process.env);
