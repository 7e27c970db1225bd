import { describe, expect, it } from "vitest";
import type { CommandResult } from "./command.ts";
import {
  chainVerdict,
  isPurposeAlone,
  readVerifyOutput,
  verifyArguments,
  type VerifyOutcome,
} from "./verify-command.ts";

const LEAF = "/tmp/leaf.pem";
const exited = (code: number, stdout: string, stderr: string): CommandResult => ({
  kind: "exited",
  code,
  stdout,
  stderr,
});
const refused = (...lines: readonly string[]): VerifyOutcome =>
  readVerifyOutput(exited(2, "", [...lines, `error ${LEAF}: verification failed`, ""].join("\n")), LEAF);

const PURPOSE = "error 26 at 0 depth lookup: unsuitable certificate purpose";
const EXPIRED = "error 10 at 0 depth lookup: certificate has expired";
const OK: VerifyOutcome = { kind: "ok" };

describe("the arguments of openssl verify", () => {
  it("use the domain's trust alone, at the depth and level of the design", () => {
    const files = { anchors: "A", crls: null, leaf: "L", issuers: null };
    expect(verifyArguments(files, { purpose: "sslclient" }).join(" ")).toBe(
      "verify -no-CAfile -no-CApath -no-CAstore -trusted A -partial_chain -verify_depth 6 -auth_level 2 -purpose sslclient L",
    );
  });

  it("give what was sent as untrusted, and check revocation for every CA where the trust has CRLs", () => {
    const files = { anchors: "A", crls: "C", leaf: "L", issuers: "I" };
    expect(verifyArguments(files, { purpose: "sslserver" }).join(" ")).toBe(
      "verify -no-CAfile -no-CApath -no-CAstore -trusted A -untrusted I -partial_chain -verify_depth 6 -auth_level 2 " +
        "-purpose sslserver -crl_check_all -CRLfile C L",
    );
  });

  it("name the moment that dates are judged at, in whole seconds, where it is not now", () => {
    const files = { anchors: "A", crls: null, leaf: "L", issuers: null };
    const terms = { purpose: "sslclient", atMs: 1_800_000_000_999 } as const;
    expect(verifyArguments(files, terms).join(" ")).toContain("-purpose sslclient -attime 1800000000 L");
  });
});

describe("the output of openssl verify", () => {
  it("is an OK only with exit code 0, the exact line and no finding", () => {
    expect(readVerifyOutput(exited(0, `${LEAF}: OK\n`, ""), LEAF)).toEqual(OK);
    const others = [
      exited(0, "", ""),
      exited(0, "/tmp/other.pem: OK\n", ""),
      exited(0, `x${LEAF}: OK\n`, ""),
      exited(0, `${LEAF}: OK\n${LEAF}: OK\n`, ""),
      exited(1, `${LEAF}: OK\n`, ""),
      exited(0, `${LEAF}: OK\n`, `CN = x\n${EXPIRED}\n`),
      exited(2, "", "Unable to load certificate\n"),
      exited(2, "", `CN = ${EXPIRED}\n`),
    ];
    for (const result of others) expect(readVerifyOutput(result, LEAF).kind).toBe("no-verdict");
    expect(readVerifyOutput({ kind: "failed", why: "killed" }, LEAF)).toEqual({
      kind: "no-verdict",
      why: "killed",
    });
  });

  it("holds every finding with its depth, in order", () => {
    expect(
      refused("CN = x", EXPIRED, "CN = CA", "error 24 at 1 depth lookup: invalid CA certificate"),
    ).toEqual({
      kind: "errors",
      errors: [
        { code: 10, depth: 0, text: "certificate has expired" },
        { code: 24, depth: 1, text: "invalid CA certificate" },
      ],
    });
  });
});

describe("the verdict of two runs", () => {
  const judged = (
    valid: boolean,
    clientAuth: boolean,
    serverAuth: boolean,
    detail: string | null,
  ): unknown => ({
    kind: "judged",
    valid,
    clientAuth,
    serverAuth,
    detail,
  });
  const purpose = "unsuitable certificate purpose at depth 0";

  it.each<[string, VerifyOutcome, VerifyOutcome | null, unknown]>([
    ["good for clients", OK, null, judged(true, true, false, null)],
    ["good for servers alone", refused(PURPOSE), OK, judged(true, false, true, purpose)],
    ["good for neither", refused(PURPOSE), refused(PURPOSE), judged(true, false, false, purpose)],
    ["expired", refused(EXPIRED), null, judged(false, false, false, "certificate has expired at depth 0")],
    [
      "expired and of another purpose",
      refused(PURPOSE, EXPIRED),
      null,
      judged(false, false, false, "certificate has expired at depth 0"),
    ],
    [
      "expired between the runs",
      refused(PURPOSE),
      refused(EXPIRED),
      judged(false, false, false, "certificate has expired at depth 0"),
    ],
    [
      "with a CRL whose signer is for another purpose",
      refused(`[CRL path] ${PURPOSE}`),
      null,
      judged(false, false, false, purpose),
    ],
  ])("says of a chain that is %s what each run found", (_case, client, server, verdict) => {
    expect(chainVerdict(client, server)).toEqual(verdict);
  });

  it("is none when a run that is needed gave none", () => {
    const none: VerifyOutcome = { kind: "no-verdict", why: "killed" };
    expect(chainVerdict(none, null)).toEqual({ kind: "not-judged", why: "killed" });
    expect(chainVerdict(refused(PURPOSE), none)).toEqual({ kind: "not-judged", why: "killed" });
  });

  it("needs the second run when the purpose alone stands against the chain", () => {
    const outcomes = [
      OK,
      refused(PURPOSE),
      refused(EXPIRED),
      refused(PURPOSE, EXPIRED),
      refused(`[CRL path] ${PURPOSE}`),
    ];
    expect(outcomes.map(isPurposeAlone)).toEqual([false, true, false, false, false]);
  });
});
