/** The first `limit` UTF-16 units of a text that others chose, without half of a surrogate pair at the end. */
export const cutText = (text: string, limit: number): string =>
  text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
