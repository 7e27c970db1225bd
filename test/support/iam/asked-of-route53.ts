import type { AwsRequest } from "./aws-request.ts";
import type { Ask } from "./judge.ts";
import { Unmapped } from "./policy.ts";

const PATH = /^\/2013-04-01\/(?:hostedzone\/(?<zone>[A-Z0-9]+)\/rrset\/?|change\/(?<change>[A-Z0-9]+))$/u;

/**
 * Names as conditions see them: in lower case, without the last dot
 * (specifying-conditions-route53.html of Route 53's developer guide).
 *
 * @throws Unmapped
 */
export function askedOfRoute53({ method, url, body, common }: AwsRequest): readonly Ask[] {
  const { zone, change } = PATH.exec(url.pathname)?.groups ?? {};
  if (method === "GET" && change !== undefined)
    return [{ action: "route53:GetChange", resource: `arn:aws:route53:::change/${change}`, context: common }];
  if (zone === undefined) throw new Unmapped(`route53 ${method} ${url.pathname}`);
  const resource = `arn:aws:route53:::hostedzone/${zone}`;
  if (method === "GET") return [{ action: "route53:ListResourceRecordSets", resource, context: common }];
  const text = body.toString();
  const valuesOf = (element: string): readonly string[] =>
    [...text.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "gu"))].map(([, value = ""]) => value);
  const key = (name: string): string => `route53:changeresourcerecordsets${name}`;
  const context = {
    ...common,
    [key("normalizedrecordnames")]: valuesOf("Name").map((name) => name.toLowerCase().replace(/\.$/u, "")),
    [key("recordtypes")]: valuesOf("Type"),
    [key("actions")]: valuesOf("Action"),
  };
  return [{ action: "route53:ChangeResourceRecordSets", resource, context }];
}
