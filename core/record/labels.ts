/** Labels of a record: names and values that its owner's tools find it by. */

/** Labels decide no verdict. */
export type Labels = Readonly<Record<string, string>>;

/** One object for all records without labels, which most are. */
export const NO_LABELS: Labels = Object.freeze({});
