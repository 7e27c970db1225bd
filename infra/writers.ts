import { type ApiParts, createApi } from "./api.ts";
import { createSchedule } from "./schedule.ts";
import type { Settings } from "./settings.ts";

/** What writes settings and keys. A standby has none: of two regions that write, the later would replace the other's. */
export const createWriters = (settings: Settings, parts: ApiParts) =>
  settings.role === "standby"
    ? null
    : { api: createApi(settings, parts), schedule: createSchedule(settings, parts) };

export type Writers = NonNullable<ReturnType<typeof createWriters>>;
