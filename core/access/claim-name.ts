/** A claim is a member of a JWT's JSON: any name without blanks, `https://…` as well. */
export const CLAIM_NAME = /^[\x21-\x7e]{1,200}$/;
