import { ALARM_CHECKS } from "./alarms.ts";
import { CLIENT_ADDRESS_CHECKS } from "./client-address.ts";
import { DATA_CHECKS } from "./data.ts";
import { EDGE_CHECKS } from "./edge.ts";
import { ENVIRONMENT_CHECKS } from "./environment.ts";
import { FUNCTION_CHECKS } from "./functions.ts";
import { ORDER_CHECKS } from "./order.ts";
import { OUTPUT_CHECKS } from "./outputs.ts";
import { ROLE_CHECKS } from "./roles.ts";
import type { Checks } from "./stack-reader.ts";

/** What must hold of every stage. */
export const CHECKS: Checks = {
  ...DATA_CHECKS,
  ...ROLE_CHECKS,
  ...EDGE_CHECKS,
  ...CLIENT_ADDRESS_CHECKS,
  ...FUNCTION_CHECKS,
  ...ENVIRONMENT_CHECKS,
  ...ALARM_CHECKS,
  ...ORDER_CHECKS,
  ...OUTPUT_CHECKS,
};
