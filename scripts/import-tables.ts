/**
 * The tables of who may import what, from which .dependency-cruiser.mjs makes its rules and
 * docs/architecture.md is checked.
 */

/** Folders of core/, lowest first: each may import those before it, and the files of core/ itself. */
export const CORE_FLOORS: readonly string[] = [
  "name",
  "x509",
  "record",
  "store",
  "snapshot",
  "policy",
  "delivery",
  "smtp",
  "edge-report",
  "access",
  "management",
  "evaluation",
];

/**
 * Folders of worker/, lowest first: each may import those before it. The files of worker/ itself stand on
 * top.
 */
export const WORKER_FLOORS: readonly string[] = [
  "config",
  "event",
  "telemetry",
  "settings",
  "tls",
  "session",
  "edge",
  "health",
  "process",
];

/**
 * npm packages and Node's built-in modules of each folder, without its subfolders. A folder that is not named
 * may not exist.
 */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  core: ["zod"],
  "core/name": ["ipaddr.js", "node:url"],
  "core/x509": [
    "@peculiar/x509",
    "asn1js",
    "node-forge",
    "node:crypto",
    "node:util",
    "reflect-metadata",
    "zod",
  ],
  "core/record": [],
  "core/store": ["zod"],
  "core/snapshot": [],
  "core/policy": ["node:crypto"],
  "core/delivery": ["ipaddr.js"],
  "core/smtp": [],
  "core/edge-report": ["zod"],
  "core/access": ["node:crypto", "zod"],
  "core/management": ["ipaddr.js", "node:crypto", "rfc6902", "zod"],
  "core/evaluation": ["zod"],
  "adapters/acme": ["node:crypto", "node:dns", "node:fs", "node:http", "node:https", "zod"],
  "adapters/aws": [
    "@aws-sdk/client-acm",
    "@aws-sdk/client-dynamodb",
    "@aws-sdk/client-route-53",
    "@aws-sdk/client-s3",
    "@aws-sdk/client-ssm",
    "node:crypto",
    "node:stream",
    "node:stream/consumers",
    "node:timers/promises",
    "node:zlib",
    "zod",
  ],
  "adapters/local": [
    "node:crypto",
    "node:fs",
    "node:fs/promises",
    "node:os",
    "node:path",
    "node:sqlite",
    "node:timers/promises",
  ],
  "adapters/openssl": ["node:child_process", "node:crypto", "node:fs/promises", "node:os", "node:path"],
  "adapters/smtp": ["ipaddr.js", "node:crypto", "node:dns", "node:net", "node:os", "node:tls"],
  functions: ["node:fs"],
  "functions/api": ["@hono/zod-openapi", "hono", "node:crypto", "node:timers/promises", "node:tls", "zod"],
  "functions/schedule": ["node:timers/promises", "zod"],
  "worker/config": ["ipaddr.js", "node:net", "node:path", "node:tls", "zod"],
  "worker/event": [],
  "worker/telemetry": ["pino"],
  "worker/settings": ["node:timers/promises"],
  "worker/tls": ["node:crypto", "node:net", "node:tls"],
  "worker/session": ["node:net", "node:stream", "node:tls", "smtp-server"],
  "worker/edge": ["node:crypto", "node:events", "node:net"],
  "worker/health": ["node:http", "node:net"],
  "worker/process": ["pino"],
  worker: ["node:crypto", "node:os", "node:timers/promises", "node:tls"],
  local: [
    "@hono/node-server",
    "node:crypto",
    "node:events",
    "node:fs",
    "node:fs/promises",
    "node:http",
    "node:module",
    "node:net",
    "node:os",
    "node:path",
    "node:sqlite",
    "node:stream",
    "node:timers/promises",
    "node:tls",
    "zod",
  ],
  infra: [],
  "sdk/src": ["aws4fetch", "openapi-fetch"],
  "sdk/src/generated": [],
  "cli/src": [
    "node:crypto",
    "node:fs/promises",
    "node:path",
    "node:readline/promises",
    "node:stream",
    "node:tty",
  ],
  "cli/src/frame": ["commander"],
  "cli/src/resource": [],
  "cli/src/probe": [
    "dns-packet",
    "node:crypto",
    "node:dgram",
    "node:dns",
    "node:net",
    "node:os",
    "node:tls",
    "node:url",
  ],
  "cli/src/plan": ["ajv", "js-yaml", "node:crypto", "node:path"],
};
