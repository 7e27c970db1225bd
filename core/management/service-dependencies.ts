import type { AccessStore } from "../access/access-store.ts";
import type { DefaultAccess } from "../access/principal-arn.ts";
import type { IdSource } from "../name/ids.ts";
import type { LoadAtEdge } from "./load-at-edge.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { CertificateIssuer } from "./certificate-issuer.ts";
import type { CreateCsr, MakeSelfSigned } from "../x509/self-signed-request.ts";
import type { ReadPkcs12 } from "../x509/pkcs12.ts";
import type { Clock } from "../clock.ts";
import type { EdgeReports } from "../edge-report/edge-reports.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import type { Store } from "../store/store.ts";
import type { WaitingRoom } from "./waiting-room.ts";
import type { ReadTxt } from "./challenge-records.ts";
import type { WriteEffects } from "../store/commit-with-retry.ts";

/** What the services of the API work with. */
export interface ServiceDependencies {
  readonly store: Store;
  readonly vault: KeyVault;
  readonly edgeReports: EdgeReports;
  readonly access: AccessStore;
  /** What an IAM caller without a principal's record may do. */
  readonly defaultAccess: DefaultAccess;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** dNSNames of the edge's default certificate, wildcards as `*.x`. They belong to OPERATOR_ACCOUNT. */
  readonly operatorHosts: ReadonlySet<string>;
  readonly makeSelfSigned: MakeSelfSigned;
  readonly createCsr: CreateCsr;
  readonly readPkcs12: ReadPkcs12;
  /** Names in ACME_DIRECTORIES, in its order; empty = no certificate can be ordered there. */
  readonly acmeDirectories: readonly string[];
  /** Called when an order is due at once; on AWS the schedule finds it within its interval. */
  readonly issuanceRequested: () => void;
  readonly loadAtEdge: LoadAtEdge;
  /** Holds tokens of http-01, checks of ownership and claims. */
  readonly issuanceState: IssuanceState;
  /** TXT records as recursive resolvers see them. */
  readonly readTxt: ReadTxt;
  /** null = no certificates are issued here: the local stack has no ACM. */
  readonly issuer: CertificateIssuer | null;
  readonly retry: WriteEffects;
}

/** What services need whose requests may wait. */
export interface WaitingDependencies extends ServiceDependencies {
  readonly waitingRoom: WaitingRoom;
}
