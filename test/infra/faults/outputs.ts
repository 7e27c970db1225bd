import type { Faults } from "./planted.ts";

const OUTPUTS = "infra/outputs.ts";

/** What programs and the next deployment read. Planted in production, one at a time. */
export const OUTPUT_FAULTS: Faults = {
  "the table that programs find is another one": {
    file: OUTPUTS,
    find: 'parameter("table", table.name);',
    replace: 'parameter("table", table.arn);',
    caughtBy: "a program finds the stage by parameters",
  },
  "a policy opens every API of the account": {
    file: OUTPUTS,
    find: "$interpolate`${api.nodes.api.executionArn}/*`",
    replace: '"*"',
    caughtBy: "one policy lets a caller call this API, and nothing else",
  },
  "a deployment that fails half-way is written down": {
    file: OUTPUTS,
    find: "const last = [worker.service.nodes.service, ...(writers === null ? [] : partsOf(writers))];",
    replace: "const last = [worker.service.nodes.service];",
    caughtBy: "what is in force is written down when all of it is",
  },
};
