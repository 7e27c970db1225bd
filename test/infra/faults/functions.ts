import type { Faults } from "./planted.ts";

const API = "infra/api.ts";
const SCHEDULE = "infra/schedule.ts";
const TASK = "infra/worker-task.ts";
const ALARMS = "infra/alarms.ts";
const OURS = "every alarm on our own metrics watches one that edges or schedule make";
const DIMENSIONS = "every alarm on a metric of AWS has the dimensions that it is emitted with, of this stage";

/** API, schedule, environments and alarms. Planted in production, one at a time. */
export const FUNCTION_FAULTS: Faults = {
  "all edges are in one zone": {
    file: "infra/settings.ts",
    find: "otherwise: isProduction ? 3 : 2",
    replace: "otherwise: 1",
    caughtBy: "edges and load balancer are in two zones at least, in production in three",
  },
  "a route is open": {
    file: API,
    find: 'api.route("$default", handler.arn, authorizationOf(api, settings.authorizer));',
    replace: 'api.route("$default", handler.arn);',
    caughtBy: "health, the OpenAPI document and tokens of http-01 are open, and nothing else",
  },
  "the settings are an open route": {
    file: API,
    find: '"GET /openapi.json",',
    replace: '"GET /openapi.json",\n  "GET /v1/domains",',
    caughtBy: "health, the OpenAPI document and tokens of http-01 are open, and nothing else",
  },
  "strangers may ask as often as they like": {
    file: API,
    find: "args.routeSettings = openSettings.promise;",
    replace: "",
    caughtBy: "requests are bounded, those of strangers more",
  },
  "scripts of every origin call the API": {
    file: API,
    find: "    cors: false,",
    replace: "",
    caughtBy: "no script of another origin calls the API",
  },
  "the function outlives API Gateway's patience": {
    file: API,
    find: '"29 seconds"',
    replace: '"60 seconds"',
    caughtBy: "functions run Node 24 on ARM64, and end before who waits for them",
  },
  "functions run an older Node": {
    file: SCHEDULE,
    find: '"nodejs24.x"',
    replace: '"nodejs22.x"',
    caughtBy: "functions run Node 24 on ARM64, and end before who waits for them",
  },
  "the handler is somewhere else": {
    file: API,
    find: '"dist/api"',
    replace: '"dist/worker"',
    caughtBy: "the functions are those of the product",
  },
  "renewals of ACM are looked for once a week": {
    file: SCHEDULE,
    find: "rateOf(SWEEP_MINUTES[sweep])",
    replace: "rateOf(SWEEP_MINUTES[sweep] * 7)",
    caughtBy: "every sweep has its time",
  },
  "a sweep gets no word of which it is": {
    file: SCHEDULE,
    find: "event: { sweep },",
    replace: "",
    caughtBy: "every sweep has its time",
  },
  "renewals of ACM are not heard of": {
    file: SCHEDULE,
    find: 'ACM Certificate Available"]',
    replace: 'ACM Certificate Expired"]',
    caughtBy: "a certificate that ACM has renewed starts the schedule",
  },
  "the API has the wrong name of a variable": {
    file: API,
    find: "API_AUTH: authorizer.kind",
    replace: "API_AUTHORIZER: authorizer.kind",
    caughtBy: "the API's function has the variables of its schema, and they are right",
  },
  "the API does not know the edges' name": {
    file: API,
    find: "SMTP_NAME: smtpName,",
    replace: "",
    caughtBy: "the API's function has the variables of its schema, and they are right",
  },
  "the schedule does not know the bucket": {
    file: "infra/environment.ts",
    find: "KEY_BUCKET: keys.name,",
    replace: "",
    caughtBy: "the schedule's function has the variables of its schema, and they are right",
  },
  "an edge has a variable that it does not read": {
    file: TASK,
    find: "HEALTH_PORT: String(PORTS.health)",
    replace: "HEALTHPORT: String(PORTS.health)",
    caughtBy: "an edge has variables of its schema, and starts with them",
  },
  "an edge has a limit that is none": {
    file: TASK,
    find: "drainMs: ENDING.drainSeconds * 1000",
    replace: "drain: ENDING.drainSeconds * 1000",
    caughtBy: "an edge has variables of its schema, and starts with them",
  },
  "an edge answers health checks on loopback": {
    file: TASK,
    find: 'HEALTH_HOST: "0.0.0.0"',
    replace: 'HEALTH_HOST: "127.0.0.1"',
    caughtBy: "an edge has variables of its schema, and starts with them",
  },
  "a secret is a variable": {
    file: TASK,
    find: "HEALTH_HOST:",
    replace: 'API_TOKEN: "abc",\n    HEALTH_HOST:',
    caughtBy: "no variable holds a secret",
  },
  "no alarm reports that no edge takes mail": {
    file: ALARMS,
    find: 'alarm("NoEdge", {',
    replace: 'const _ = ("NoEdge", {',
    caughtBy: "each event that the product promises to report has an alarm with a receiver",
  },
  "alarms have no receiver": {
    file: ALARMS,
    find: "alarmActions: [topic.arn], okActions",
    replace: "alarmActions: [], okActions",
    caughtBy: "each event that the product promises to report has an alarm with a receiver",
  },
  "an alarm has a dimension too few": {
    file: ALARMS,
    find: "LoadBalancer: loadBalancer.arnSuffix, TargetGroup: targets",
    replace: "LoadBalancer: loadBalancer.arnSuffix",
    caughtBy: DIMENSIONS,
  },
  "an alarm has the whole ARN for a dimension": {
    file: ALARMS,
    find: "LoadBalancer: loadBalancer.arnSuffix",
    replace: "LoadBalancer: loadBalancer.arn",
    caughtBy: DIMENSIONS,
  },
  "an alarm waits for a metric of REST APIs": {
    file: ALARMS,
    find: '"5xx"',
    replace: '"5XXError"',
    caughtBy: DIMENSIONS,
  },
  "an alarm watches a metric that nothing makes": {
    file: ALARMS,
    find: 'edgeMetric("SettingsStaleSeconds")',
    replace: 'edgeMetric("StaleSeconds" as never)',
    caughtBy: OURS,
  },
  "an alarm on a metric of the edges has no dimension": {
    file: "infra/metrics.ts",
    find: "dimensions: { [CLOUDWATCH_DIMENSION.name]: CLOUDWATCH_DIMENSION.value },",
    replace: "dimensions: {} as Record<string, string>,",
    caughtBy: OURS,
  },
  "an alarm watches another stage": {
    file: "infra/gate-settings.ts",
    find: "`Postern/${stage}`",
    replace: '"Postern"',
    caughtBy: OURS,
  },
  "edges publish no metrics": {
    file: TASK,
    find: "METRICS_EMF: settings.names.metrics,",
    replace: "",
    caughtBy: "edges publish their metrics where the alarms look",
  },
  "an edge is added by the sum of all connections": {
    file: "infra/worker.ts",
    find: 'statistic: "Average"',
    replace: 'statistic: "Sum"',
    caughtBy: "an edge is added when the mean of their connections is high, long before they are full",
  },
  "an edge is added when the others are full": {
    file: "infra/worker.ts",
    find: "FULL_ENOUGH = 0.6",
    replace: "FULL_ENOUGH = 1",
    caughtBy: "an edge is added when the mean of their connections is high, long before they are full",
  },
  "the dashboard has no metrics by reason": {
    file: "infra/dashboard.ts",
    find: "cloudWatchNames(row).map((name)",
    replace: "[row.name].map((name)",
    caughtBy: "the dashboard has every metric that edges and schedule make, and every alarm",
  },
  "a metric is made of a log without its lines": {
    file: ALARMS,
    find: 'nodes.logGroup.apply((group) => group?.name ?? $output(""))',
    replace: '"/postern/schedule"',
    caughtBy: "metrics are made of the log that has the lines",
  },
  "that no edge says anything is taken for health": {
    file: ALARMS,
    find: 'metricName: "HealthyHostCount",\n    treatMissingData: "breaching"',
    replace: 'metricName: "HealthyHostCount",\n    treatMissingData: "notBreaching"',
    caughtBy: "silence is an alarm where something must be heard, and nowhere else",
  },
  "the function gets events of an older format": {
    file: API,
    find: "api.route(route, handler.arn));",
    replace:
      'api.route(route, handler.arn, { transform: { integration: (args) => { args.payloadFormatVersion = "1.0"; } } }));',
    caughtBy: "every route is answered by the API's function, in payload format 2.0",
  },
  "requests are logged for a month": {
    file: API,
    find: 'accessLog: { retention: "1 year" }',
    replace: 'accessLog: { retention: "1 month" }',
    caughtBy: "logs of functions and requests are kept for a year",
  },
  "the operator is not told of the MX record": {
    file: "infra/deployment.ts",
    find: "<each domain>. MX 10 <its MX host>.",
    replace: "",
    caughtBy: "the outputs show an operator which DNS records to set",
  },
};
