/** What a transaction does with the items of MX hosts. */

import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { MxHost, MxHostChange, MxHostRead, StoredHostField } from "../../core/record/mx-host.ts";
import { ABSENT, type Action, type Condition, type Item, keyItem } from "./dynamodb-table.ts";
import { recordKey } from "./table-keys.ts";

export interface HostWrite {
  readonly change: MxHostChange;
  readonly revision: number;
}

export function hostAction({ change: { host, before, after }, revision }: HostWrite): Action {
  const key = recordKey("mx-host", host);
  const condition = before === null ? ABSENT : isAs(before);
  if (after === null) return { delete: key, condition };
  const item = { ...keyItem(key), ...present(hostAttributes(after)), revision: { N: String(revision) } };
  return { put: item, condition };
}

export const hostCheck = ({ host, item }: MxHostRead): Action => ({
  check: recordKey("mx-host", host),
  condition: item === null ? ABSENT : isAs(item),
});

export const isSameItem = (a: MxHost | null, b: MxHost | null): boolean =>
  JSON.stringify(a && hostAttributes(a)) === JSON.stringify(b && hostAttributes(b));

/** undefined = the item is without the attribute. */
type HostAttributes = Readonly<Record<Exclude<StoredHostField, "host">, AttributeValue | undefined>>;

const hostAttributes = ({
  account,
  certificateId,
  domainCount,
  certificateRevision,
}: MxHost): HostAttributes => ({
  account: { S: account },
  domainCount: { N: String(domainCount) },
  certificateId: certificateId === null ? undefined : { S: certificateId },
  certificateRevision: certificateRevision === undefined ? undefined : { N: String(certificateRevision) },
});

function present(attributes: HostAttributes): Item {
  const held = Object.entries(attributes).flatMap(([name, value]): [string, AttributeValue][] =>
    value === undefined ? [] : [[name, value]],
  );
  return Object.fromEntries(held);
}

/** The attributes as `hostAttributes` writes them: the same values, and none where there is none. */
function isAs(item: MxHost): Condition {
  // The content of a damaged one cannot be a condition: the condition on the head ensures that nothing was
  // written since it was read.
  if (item.isDamaged === true) return { expression: "attribute_exists(pk)" };
  const attributes = hostAttributes(item);
  const terms = Object.entries(attributes).map(([name, value]) =>
    value === undefined ? `attribute_not_exists(${name})` : `${name} = :${name}`,
  );
  const values = Object.entries(present(attributes)).map(([name, value]) => [`:${name}`, value] as const);
  return { expression: terms.join(" AND "), values: Object.fromEntries(values) };
}
