/** Errors that only HTTP knows. They are thrown; problem.ts alone turns errors into answers. */

/** No credentials, or none that are valid. 401 with WWW-Authenticate. */
export class Unauthenticated extends Error {
  override readonly name = "Unauthenticated";
  /** RFC 6750 section 3.1: `invalid_token` is said only when there was one. */
  readonly presented: boolean;
  constructor(presented: boolean) {
    super(presented ? "the bearer token is not valid" : "a bearer token is needed: Authorization: Bearer …");
    this.presented = presented;
  }
}

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
