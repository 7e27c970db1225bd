import type { Faults } from "./planted.ts";

const API = "infra/api.ts";
const SCHEDULE = "infra/schedule.ts";
const STORAGE = "infra/storage.ts";
const WORKER = "infra/worker.ts";
const BALANCER = "infra/worker-balancer.ts";
const WAITING = "options.dependsOn = [vpc, cluster, listener.resource, ...rules];";

/** What is created too early. Planted in production, one at a time. */
export const ORDER_FAULTS: Faults = {
  "the stage names routes that it does not wait for": {
    file: API,
    find: "args.routeSettings = openSettings.promise;",
    replace: `args.routeSettings = OPEN_ROUTES.map((routeKey) => ({
          routeKey,
          throttlingRateLimit: OPEN_RATE.rateLimit,
          throttlingBurstLimit: OPEN_RATE.burstLimit,
        }));`,
    caughtBy: "settings of a route are set after the route exists",
  },
  "metrics are made of a log that does not exist yet": {
    file: "infra/alarms.ts",
    find: 'nodes.logGroup.apply((group) => group?.name ?? $output(""))',
    replace: "`/postern/${$app.stage}/edge`",
    caughtBy: "nothing names a resource that may not exist yet",
  },
  "edges do not wait for the listener": {
    file: WORKER,
    find: WAITING,
    replace: "options.dependsOn = [vpc, cluster, ...rules];",
    caughtBy: "a service is created after the listener of its target group",
  },
  "edges do not wait for Fargate": {
    file: WORKER,
    find: WAITING,
    replace: "options.dependsOn = [vpc, listener.resource, ...rules];",
    caughtBy: "a service is created after its cluster has its capacity providers",
  },
  "edges start before their health can be asked for": {
    file: WORKER,
    find: "rules: [egress, ...ingress]",
    replace: "rules: [egress]",
    caughtBy: "a service is created after the rules that admit its health checks",
  },
  "edges start before they can fetch their image": {
    file: WORKER,
    find: "rules: [egress, ...ingress]",
    replace: "rules: ingress",
    caughtBy: "a service is created after the rule that lets it out",
  },
  "edges start before their network has routes": {
    file: WORKER,
    find: WAITING,
    replace: "options.dependsOn = [cluster];",
    caughtBy: "a service is created after its subnets have a route",
  },
  "the load balancer does not wait for the way to the internet": {
    file: BALANCER,
    find: "options.dependsOn = [network.vpc];",
    replace: "",
    caughtBy: "a load balancer is created after its network has an internet gateway",
  },
  "a bucket's policy and its block change at once": {
    file: STORAGE,
    find: "      lifecycle: (args, options) => {",
    replace:
      "      policy: (_args, options) => { options.dependsOn = []; },\n      lifecycle: (args, options) => {",
    caughtBy: "a bucket's policy is set after its block of public access",
  },
  "old versions expire in a bucket without versions": {
    file: STORAGE,
    find: "options.dependsOn = versioned.resource;",
    replace: "",
    caughtBy: "a rule for noncurrent versions is set after a bucket has versions",
  },
  "events of ACM come before they are admitted": {
    file: SCHEDULE,
    find: "    { dependsOn: [permission] },\n",
    replace: "",
    caughtBy: "events reach a function after it admits them",
  },
  "requests come before they are admitted": {
    file: API,
    find: "api.route(route, handler.arn));",
    replace:
      "api.route(route, handler.arn, { transform: { integration: (_args, options) => { options.dependsOn = []; } } }));",
    caughtBy: "requests reach a function after it admits them",
  },
};
