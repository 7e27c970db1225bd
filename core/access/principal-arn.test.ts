import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_ARN, PRINCIPAL_ARN_PATTERN, toPrincipalArn } from "./principal-arn.ts";

const PATTERN = new RegExp(PRINCIPAL_ARN_PATTERN, "u");

describe("the pattern of ARNs in the OpenAPI document", () => {
  it.each([
    ["arn:aws:iam::123456789012:role/deploy", true],
    ["arn:aws-cn:iam::123456789012:role/teams/mail/deploy", true],
    ["arn:aws:sts::123456789012:assumed-role/deploy/session", true],
    ["arn:aws:sts::123456789012:federated-user/alice", true],
    ["arn:aws:iam::123456789012:user/alice", true],
    ["arn:aws:iam::123456789012:root", true],
    ["arn:aws:iam::123456789012:group/mail", false],
    ["arn:aws:sts::123456789012:role/deploy", false],
    ["arn:aws:iam::12345678901:role/deploy", false],
    ["arn:other:iam::123456789012:role/deploy", false],
    ["arn:aws:iam::123456789012:role/déploy", false],
    ["arn:aws:iam::123456789012:role/deploy\n", false],
    ["0", false],
  ])("judges %j as the API does: %s", (text, isTaken) => {
    expect([PATTERN.test(text), toPrincipalArn(text) !== null]).toEqual([isTaken, isTaken]);
  });

  it("takes what the API takes, for any text near an ARN", () => {
    const near = fc.stringMatching(
      /^arn:(?:aws|aws-cn|awx):(?:iam|sts)::[0-9]{11,13}:(?:root|(?:role|user|group|assumed-role|federated-user)\/[!-~é]{0,70}(?:\/[A-Za-z0-9_+=,.@-]{0,66})?)$/u,
    );
    const exact = fc.stringMatching(PATTERN);
    fc.assert(
      fc.property(fc.oneof(near, exact), (text) => {
        expect(toPrincipalArn(text) !== null).toBe(text.length <= MAX_ARN && PATTERN.test(text));
      }),
    );
  });
});
