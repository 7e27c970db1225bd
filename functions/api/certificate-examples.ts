/** Examples of answers about certificates: one made by the API, and an upload. */

import type * as z from "zod";
import type { certificateResponse, versionListResponse } from "./certificate-response.ts";

export const certificateId = "cert_01KDW0000000000000000000M1";
export const fingerprintSha256 = "8f2ad0c6a6d8b8d1f2b9a9d7c3e4f5061728394a5b6c7d8e9f00112233445566";

export const written = (at: string) => ({ createdAt: at, updatedAt: at, updatedBy: "operator" });

export const certificate: z.input<typeof certificateResponse> = {
  id: certificateId,
  account: "default",
  label: "mx1",
  labels: {},
  source: "self-signed",
  names: ["mx1.example.org"],
  notBefore: "2026-01-01T07:00:00.000Z",
  notAfter: "2027-01-01T08:00:00.000Z",
  keys: [
    {
      keyType: "ecdsa-p256",
      fingerprintSha256,
      spkiPin: "sha256//BUFBtpAxh/Afuz9m1w7Nq2qT0lkMieymQ8HHsEHo7e0=",
      issuer: "CN=mx1.example.org",
      slot: "ecdsa",
      tlsa: "3 1 1 054141b6903187f01fbb3f66d70ecdab6a93d2590c89eca643c1c7b041e8eded",
      notAfter: "2027-01-01T08:00:00.000Z",
    },
  ],
  version: 1,
  revision: 1,
  ...written("2026-01-01T08:00:00.000Z"),
  state: "active",
  renewal: { by: "postern", key: "keep", keyKept: true },
  renewsAt: "2026-09-01T07:40:00.000Z",
  expiresAt: "2027-01-01T08:00:00.000Z",
  lastError: null,
  nextKeys: [],
  timeline: [
    { at: "2026-01-01T08:00:00.000Z", event: "created" },
    { at: "2026-01-01T08:00:00.000Z", event: "version-added", version: 1, detail: "created" },
    { at: "2026-09-01T07:40:00.000Z", event: "renews" },
    { at: "2027-01-01T08:00:00.000Z", event: "expires" },
  ],
  usedBy: { count: 1, domains: ["example.org"] },
};

/** The answer to an upload with a certificate that its leaf does not need. */
export const uploadedMaterial: z.input<typeof certificateResponse> = {
  ...certificate,
  source: "pem",
  notBefore: "2026-05-31T23:00:00.000Z",
  notAfter: "2027-06-01T00:00:00.000Z",
  keys: [
    {
      keyType: "ecdsa-p256",
      fingerprintSha256: "3ac58f0f6f8dbb9c06b1a1b2f9e7d6c5b4a39281706f5e4d3c2b1a0998877665",
      spkiPin: "sha256//n7bO1dUm2vT0Jq0v8xw7dXbYzq3o6s5L4kJhGfEdCbA=",
      issuer: "CN=Issuing CA",
      slot: "ecdsa",
      tlsa: "3 1 1 9fb6ced5d526daf4f426ad2ff31c3b7576d8ceade8eace4be2426119f11d09b0",
      notAfter: "2027-06-01T00:00:00.000Z",
    },
  ],
  version: 2,
  renewal: { by: "operator", key: null, keyKept: null },
  renewsAt: null,
  expiresAt: "2027-06-01T00:00:00.000Z",
  timeline: [
    { at: "2026-01-01T08:00:00.000Z", event: "created" },
    { at: "2026-01-01T08:00:00.000Z", event: "version-added", version: 1, detail: "created" },
    { at: "2026-06-01T08:00:00.000Z", event: "version-added", version: 2, detail: "uploaded" },
    { at: "2026-06-01T08:00:00.000Z", event: "version-retired", version: 1, detail: "replaced" },
    { at: "2027-06-01T00:00:00.000Z", event: "expires" },
  ],
  revision: 4,
  updatedAt: "2026-06-01T08:00:00.000Z",
  leftOut: [
    {
      subject: "CN=Old intermediate",
      fingerprintSha256: "c0ffee254729296a45a3885639ac7e10f9d54979c0ffee254729296a45a38856",
      notAfter: "2030-01-01T00:00:00.000Z",
      reason: "not-needed",
    },
  ],
};

/** The versions after that upload. */
export const versions: z.input<typeof versionListResponse> = {
  items: [
    {
      version: 2,
      keys: uploadedMaterial.keys.map((key) => ({ ...key, notBefore: uploadedMaterial.notBefore ?? "" })),
      addedAt: "2026-06-01T08:00:00.000Z",
      cause: "uploaded",
      retiredAt: null,
      retiredBy: null,
      isKept: true,
    },
    {
      version: 1,
      keys: certificate.keys.map((key) => ({ ...key, notBefore: certificate.notBefore ?? "" })),
      addedAt: "2026-01-01T08:00:00.000Z",
      cause: "created",
      retiredAt: "2026-06-01T08:00:00.000Z",
      retiredBy: "replaced",
      isKept: true,
    },
  ],
};

/** For mx1.example.org; its key was thrown away. */
export const SIGNING_REQUEST = [
  "-----BEGIN CERTIFICATE REQUEST-----",
  "MIIBAzCBqQIBADAaMRgwFgYDVQQDEw9teDEuZXhhbXBsZS5vcmcwWTATBgcqhkjO",
  "PQIBBggqhkjOPQMBBwNCAAStLLk3rt0ClTYzAAPK7xbZ1SuaOcDp6YbA3xmNXJkP",
  "9m/56JF4MorUaE0Gpfy0XLDqqZ8+A8dkw00IBILNzJ5SoC0wKwYJKoZIhvcNAQkO",
  "MR4wHDAaBgNVHREEEzARgg9teDEuZXhhbXBsZS5vcmcwCgYIKoZIzj0EAwIDSQAw",
  "RgIhALtu/xLnqUKMbUZWyCu3oLBM7I0NjebgKyDBitWQy0CKAiEA+6xGKxzZlQZn",
  "WpbOmILL0Sz/DvbzyUutLBN+T3pI4CY=",
  "-----END CERTIFICATE REQUEST-----",
  "",
].join("\n");
