import type { Faults } from "./planted.ts";

const NETWORK = "infra/network.ts";
const WORKER = "infra/worker.ts";
const TASK = "infra/worker-task.ts";
const BALANCER = "infra/worker-balancer.ts";
const HARDENED = "an edge runs without rights in a file system that it cannot write, but for /tmp";
const REACHES_EDGE = "nothing but the load balancer reaches an edge, on its two ports";
const FORGETS = "the load balancer forgets no connection before the edge ends it";
const STILL_SENT =
  "an edge takes the connections that the load balancer still sends after its deregistration";
const ENDS = "transactions may end before an edge is killed";

/** Network, load balancer and task. Planted in production, one at a time. */
export const EDGE_FAULTS: Faults = {
  "the load balancer ends TLS or takes it off": {
    file: BALANCER,
    find: 'listen: "25/tcp" as const',
    replace: 'listen: "2525/tcp" as const',
    caughtBy: "the world reaches port 25 and nothing else",
  },
  "every port of the load balancer is open": {
    file: BALANCER,
    find: 'args.ingress = [rule(25, "0.0.0.0/0", "SMTP")];',
    replace: "",
    caughtBy: "the world reaches port 25 and nothing else",
  },
  "the load balancer reaches the world": {
    file: BALANCER,
    find: "args.egress = Object.entries(PORTS).map(([name, port]) => rule(port, network.cidr, name));",
    replace: "",
    caughtBy: "the load balancer reaches nothing but the edges' two ports",
  },
  "whatever is in the network reaches an edge": {
    file: WORKER,
    find: "          securityGroups: [group.id],\n",
    replace: "          securityGroups: given?.securityGroups ?? [],\n",
    caughtBy: REACHES_EDGE,
  },
  "an edge has a third port": {
    file: TASK,
    find: 'portMappings: Object.values(PORTS).map((containerPort) => ({ containerPort, protocol: "tcp" })),',
    replace: "",
    caughtBy: REACHES_EDGE,
  },
  "the default group lets everything through": {
    file: NETWORK,
    find: "args.ingress = [];",
    replace: "",
    caughtBy: "the network's default group admits nothing",
  },
  "a sender does not receive the reply to a slow delivery": {
    file: BALANCER,
    find: "args.tcpIdleTimeoutSeconds = IDLE_SECONDS;",
    replace: "",
    caughtBy: FORGETS,
  },
  "the load balancer is less patient than all steps to a next hop together": {
    file: BALANCER,
    find: "IDLE_SECONDS = 6_000",
    replace: "IDLE_SECONDS = 660",
    caughtBy: FORGETS,
  },
  "an edge gets mail as soon as its port is open": {
    file: BALANCER,
    find: 'protocol: "HTTP"',
    replace: 'protocol: "TCP"',
    caughtBy: "an edge gets mail while its /ready answers 200",
  },
  "health is asked at a port without a listener": {
    file: BALANCER,
    find: "port: String(PORTS.health)",
    replace: 'port: "8080"',
    caughtBy: "an edge gets mail while its /ready answers 200",
  },
  "an edge that is not ready is killed": {
    file: WORKER,
    find: "/live",
    replace: "/ready",
    caughtBy: "an edge is replaced when it does not live, never because it is not ready",
  },
  "the container's check starts a program": {
    file: WORKER,
    find: 'command: ["CMD", "bash", "/app/check-url.sh", LIVE]',
    replace: 'command: ["CMD", "node", "-e", LIVE]',
    caughtBy: "an edge is replaced when it does not live, never because it is not ready",
  },
  "an edge has a minute to load a million domains": {
    file: WORKER,
    find: "LOADING_SECONDS = 180",
    replace: "LOADING_SECONDS = 60",
    caughtBy: "an edge is replaced when it does not live, never because it is not ready",
  },
  "an edge waits for CloudWatch Logs": {
    file: TASK,
    find: 'mode: "non-blocking"',
    replace: 'mode: "blocking"',
    caughtBy: "an edge goes on when its log cannot be delivered",
  },
  "a late answer ends an edge": {
    file: WORKER,
    find: 'timeout: "20 seconds",',
    replace: 'timeout: "5 seconds",',
    caughtBy: "an edge at full load is not replaced for a late answer",
  },
  "an edge is killed after 30 seconds": {
    file: TASK,
    find: "stopTimeout: ENDING.killSeconds,",
    replace: "",
    caughtBy: ENDS,
  },
  "an edge drains for longer than it lives": {
    file: TASK,
    find: "drainSeconds: 100",
    replace: "drainSeconds: 118",
    caughtBy: ENDS,
  },
  "Fargate kills before it is asked to": {
    file: TASK,
    find: "killSeconds: 120",
    replace: "killSeconds: 180",
    caughtBy: ENDS,
  },
  "sessions are cut when their edge goes": {
    file: BALANCER,
    find: "connectionTermination = false",
    replace: "connectionTermination = true",
    caughtBy: ENDS,
  },
  "a delay that AWS refuses": {
    file: TASK,
    find: "deregisterSeconds: 180",
    replace: "deregisterSeconds: 99_999",
    caughtBy: STILL_SENT,
  },
  "an edge is gone while connections are still sent to it": {
    file: TASK,
    find: "deregisterSeconds: 180",
    replace: "deregisterSeconds: 60",
    caughtBy: STILL_SENT,
  },
  "an edge accepts nothing after SIGTERM": {
    file: TASK,
    find: "acceptAfterTermMs: ENDING.acceptSeconds * 1000,",
    replace: "",
    caughtBy: STILL_SENT,
  },
  "an edge accepts until it is killed": {
    file: TASK,
    find: "acceptSeconds: 60",
    replace: "acceptSeconds: 95",
    caughtBy: STILL_SENT,
  },
  "an edge that drains has its sessions reset": {
    file: BALANCER,
    find: "enableUnhealthyConnectionTermination: false, unhealthyDrainingInterval: ENDING.killSeconds",
    replace: "enableUnhealthyConnectionTermination: true",
    caughtBy: "sessions of an edge that is not ready go on until it ends",
  },
  "old edges go before new ones are there": {
    file: WORKER,
    find: "deploymentMinimumHealthyPercent = 100",
    replace: "deploymentMinimumHealthyPercent = 0",
    caughtBy: "new edges are there before old ones go, and a version that does not start is taken back",
  },
  "an edge can change its own program": {
    file: TASK,
    find: "readonlyRootFilesystem: true",
    replace: "readonlyRootFilesystem: false",
    caughtBy: HARDENED,
  },
  "an edge has two inits": {
    file: TASK,
    find: "initProcessEnabled: false",
    replace: "initProcessEnabled: true",
    caughtBy: "the image is made for how it is run",
  },
  "an edge is root": { file: TASK, find: 'user: "1000",', replace: "", caughtBy: HARDENED },
  "an edge has nowhere to write": {
    file: TASK,
    find: 'mountPoints: [{ sourceVolume: "tmp", containerPath: "/tmp", readOnly: false }],',
    replace: "",
    caughtBy: HARDENED,
  },
  "the volume for /tmp is not there": {
    file: TASK,
    find: 'args.volumes = [{ name: "tmp" }];',
    replace: "",
    caughtBy: HARDENED,
  },
  "an edge writes beside the volume": {
    file: TASK,
    find: '"/tmp/postern"',
    replace: '"/var/postern"',
    caughtBy: HARDENED,
  },
  "an edge keeps root's capabilities": {
    file: TASK,
    find: ', capabilities: { drop: ["ALL"] }',
    replace: "",
    caughtBy: HARDENED,
  },
  "edges are x86": {
    file: WORKER,
    find: 'architecture: "arm64"',
    replace: 'architecture: "x86_64"',
    caughtBy: "edges are ARM64 on Fargate, not on spot",
  },
  "edges are on spot": {
    file: WORKER,
    find: "fargate: { base: 1, weight: 1 }",
    replace: "spot: { base: 1, weight: 1 }",
    caughtBy: "edges are ARM64 on Fargate, not on spot",
  },
  "a zone without an edge takes no mail": {
    file: BALANCER,
    find: "enableCrossZoneLoadBalancing = true",
    replace: "enableCrossZoneLoadBalancing = false",
    caughtBy: "edges and load balancer are in two zones at least, in production in three",
  },
  "the addresses in the DNS can be lost": {
    file: NETWORK,
    find: ", { protect: isProduction }",
    replace: "",
    caughtBy: "the load balancer has addresses that stay",
  },
  "the load balancer has other addresses after every change": {
    file: BALANCER,
    find: "args.subnetMappings = network",
    replace: "const unused = network",
    caughtBy: "the load balancer has addresses that stay",
  },
  "edges never become more": {
    file: WORKER,
    find: "max: edges.max",
    replace: "max: edges.min",
    caughtBy: "edges become more under load, and never less than asked for",
  },
  "settings go through the internet": {
    file: NETWORK,
    find: '["dynamodb", "s3"] as const',
    replace: '["s3"] as const',
    caughtBy: "table and buckets are reached without the internet",
  },
  "the edges' log is kept for a month": {
    file: WORKER,
    find: 'retention: "1 year"',
    replace: 'retention: "1 month"',
    caughtBy: "logs of edges are kept for a year",
  },
};
