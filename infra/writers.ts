import { type ApiParts, createApi } from "./api.ts";
import { createSchedule } from "./schedule.ts";
import type { GateSettings } from "./gate-settings.ts";

/**
 * Writers of settings and keys. A standby has none: if two regions wrote, the later write would replace the
 * other region's.
 */
export const createWriters = (settings: GateSettings, parts: ApiParts) =>
  settings.role === "standby"
    ? null
    : { api: createApi(settings, parts), schedule: createSchedule(settings, parts) };

export type Writers = NonNullable<ReturnType<typeof createWriters>>;
