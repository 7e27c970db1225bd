/** RFC 6901 section 3: `~` and `/` are escaped; the empty pointer is the whole document. */
export function toPointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
