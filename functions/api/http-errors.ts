/** Errors that only HTTP knows. They are thrown; problem.ts alone turns errors into answers. */

/** Authentication scheme of callers (RFC 9110 section 11.1). SigV4 is specific to AWS and in no registry. */
export type AuthenticationScheme = "Bearer" | "AWS4-HMAC-SHA256";

/** No credentials, or none that are valid. 401 with WWW-Authenticate. */
export class Unauthenticated extends Error {
  override readonly name = "Unauthenticated";
  readonly scheme: AuthenticationScheme;
  /** RFC 6750 section 3.1: `invalid_token` is sent only when a token was presented. */
  readonly presented: boolean;
  constructor(presented: boolean, scheme: AuthenticationScheme = "Bearer") {
    super(NEEDED[scheme][presented ? "invalid" : "absent"]);
    this.presented = presented;
    this.scheme = scheme;
  }
}

const NEEDED = {
  Bearer: {
    absent: "a bearer token is needed: Authorization: Bearer …",
    invalid: "the bearer token is not valid",
  },
  "AWS4-HMAC-SHA256": {
    absent: "a signature of AWS's Signature Version 4 is needed",
    invalid: "the signature is not valid",
  },
} as const satisfies Readonly<Record<AuthenticationScheme, object>>;

/** Too many failed attempts from one client. 429. */
export class TooManyAttempts extends Error {
  override readonly name = "TooManyAttempts";
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super("too many requests with credentials that are not valid");
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The body has another media type than the route takes. 415 with Accept or Accept-Patch. */
export class UnsupportedMediaType extends Error {
  override readonly name = "UnsupportedMediaType";
  readonly accepted: string;
  constructor(accepted: string) {
    super(`the body must be ${accepted} in UTF-8, without a content coding`);
    this.accepted = accepted;
  }
}
