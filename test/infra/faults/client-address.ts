import type { Faults } from "./planted.ts";

const TASK = "infra/worker-task.ts";
const BALANCER = "infra/worker-balancer.ts";
const SETTINGS = "infra/settings.ts";
const SOURCE = "the client's address is the source of its packets, and no header comes before them";
const GREETS =
  "an edge takes mail on the load balancer's port alone, and greets without waiting for a header";
const SENDS = "with proxy-v2 the load balancer sends a header of version 2, from its own address";
const BY_HEADER = "with proxy-v2 an edge takes mail by header alone, from the network of the stage";

/** Of the default. */
const PRESERVE_FAULTS: Faults = {
  "headers are the default": {
    file: SETTINGS,
    find: 'CLIENT_ADDRESSES, given) ?? "preserve"',
    replace: 'CLIENT_ADDRESSES, given) ?? "proxy-v2"',
    caughtBy: SOURCE,
  },
  "the load balancer sends a header that no edge expects": {
    file: BALANCER,
    find: "args.proxyProtocolV2 = byHeader;",
    replace: "args.proxyProtocolV2 = true;",
    caughtBy: SOURCE,
  },
  "the client's address is that of the load balancer": {
    file: BALANCER,
    find: "args.preserveClientIp = String(!byHeader);",
    replace: "",
    caughtBy: SOURCE,
  },
  "an edge waits for a header that does not come": {
    file: TASK,
    find: 'clientAddress === "proxy-v2" ? {',
    replace: 'clientAddress !== "proxy-v2" ? {',
    caughtBy: GREETS,
  },
  "the shared listener takes mail beside the load balancer's": {
    file: TASK,
    find: 'SMTP_HOST: "127.0.0.1"',
    replace: 'SMTP_HOST: "0.0.0.0"',
    caughtBy: GREETS,
  },
  "the load balancer has IPv6 clients": {
    file: BALANCER,
    find: 'args.ipAddressType = "ipv4";',
    replace: 'args.ipAddressType = "dualstack";',
    caughtBy: "the load balancer has no IPv6 clients, whose address edges would not see",
  },
  "targets are in another network": {
    file: BALANCER,
    find: "args.deregistrationDelay = ENDING.deregisterSeconds;",
    replace:
      'args.deregistrationDelay = ENDING.deregisterSeconds;\n    args.vpcId = "vpc-0123456789abcdef0";',
    caughtBy: "targets are in the network of their load balancer, which addresses are preserved in alone",
  },
};

/** Of the option; planted in a stage that chose it. */
const OPTION_FAULTS: Faults = {
  "with proxy-v2 no header is sent": {
    file: BALANCER,
    find: "args.proxyProtocolV2 = byHeader;",
    replace: "args.proxyProtocolV2 = false;",
    caughtBy: SENDS,
  },
  "with proxy-v2 an edge's peer is not the load balancer": {
    file: BALANCER,
    find: "args.preserveClientIp = String(!byHeader);",
    replace: 'args.preserveClientIp = "true";',
    caughtBy: SENDS,
  },
  "with proxy-v2 an edge believes headers of the whole world": {
    file: TASK,
    find: "proxyFrom: [cidr]",
    replace: 'proxyFrom: ["0.0.0.0/0"]',
    caughtBy: BY_HEADER,
  },
  "with proxy-v2 an edge takes mail without a header": {
    file: TASK,
    find: "proxyProtocol: true, proxyFrom: [cidr]",
    replace: "proxyProtocol: false",
    caughtBy: BY_HEADER,
  },
};

export const CLIENT_ADDRESS_FAULTS: Faults = {
  ...PRESERVE_FAULTS,
  ...Object.fromEntries(
    Object.entries(OPTION_FAULTS).map(([name, fault]) => [
      name,
      { ...fault, environment: { POSTERN_CLIENT_ADDRESS: "proxy-v2" } },
    ]),
  ),
};
