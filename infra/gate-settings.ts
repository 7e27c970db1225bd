import type { Settings } from "./settings.ts";

/** Names of one gate's resources. Two gates of an account and region share none. */
export interface Names {
  /** Logical name of a resource, by which Pulumi knows it: another name replaces the resource. */
  readonly of: (resource: string) => string;
  /** Name of what AWS names once for an account and region, such as a dashboard. */
  readonly once: string;
  /** Path of parameters and log groups, without a slash at its end. */
  readonly path: string;
  /** Namespace of the metrics from logs, since a log line does not name its gate. */
  readonly metrics: string;
}

/** Settings of a gate, with its place. */
export interface GateSettings extends Settings {
  readonly names: Names;
  /** Folder of Postern's sources, relative to the application's root; `.` = the root. */
  readonly checkout: string;
}

interface Place {
  readonly app: string;
  readonly stage: string;
  /** Empty = the stage is the gate, as in Postern's repository. */
  readonly gate: string;
}

export function namesOf({ app, stage, gate }: Place): Names {
  if (gate === "")
    return {
      of: (resource) => resource,
      once: `${app}-${stage}`,
      path: `/${app}/${stage}`,
      // As it was before there were names: dashboards and alarms of live stages read it.
      metrics: `Postern/${stage}`,
    };
  return {
    of: (resource) => `${gate}${resource}`,
    once: `${app}-${stage}-${gate}`,
    path: `/${app}/${stage}/${gate}`,
    metrics: `Postern/${app}/${stage}/${gate}`,
  };
}

/** A path of Postern's sources, relative to the application's root. */
export const inCheckout = ({ checkout }: GateSettings, path: string): string =>
  checkout === "." ? path : `${checkout}/${path}`;
