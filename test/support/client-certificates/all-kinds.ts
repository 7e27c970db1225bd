import { constraintKinds } from "./constraint-kinds.ts";
import type { ClientCertificateKind } from "./kind.ts";
import { nameKinds } from "./name-kinds.ts";
import { namesakeKinds } from "./namesake-kinds.ts";
import { pathKinds } from "./path-kinds.ts";
import { purposeKinds } from "./purpose-kinds.ts";
import { revocationKinds } from "./revocation-kinds.ts";

/** Every kind of client certificate that we know of, made anew: about a hundred, in a second. */
export const clientCertificateKinds = (): readonly ClientCertificateKind[] => [
  ...purposeKinds(),
  ...pathKinds(),
  ...constraintKinds(),
  ...nameKinds(),
  ...revocationKinds(),
  ...namesakeKinds(),
];
