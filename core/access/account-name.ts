/** Names of accounts, parsed and branded. */

declare const brand: unique symbol;
export type AccountName = string & { readonly [brand]: "AccountName" };

/** A letter or digit first and last: the name stands in keys, headers and paths. */
export const ACCOUNT_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export const isAccountName = (text: string): text is AccountName => ACCOUNT_NAME.test(text);
