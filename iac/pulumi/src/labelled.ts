import { PosternError } from "../../../sdk/src/index.ts";
import { AmbiguousName, type Found } from "./record-kind.ts";

interface Labelled {
  readonly id: string;
  readonly label: string | null;
}

interface Source {
  get(id: string): Promise<Found>;
  list(): AsyncIterable<Labelled>;
}

/**
 * The record with this id, or else the one with this label. @throws AmbiguousName if several have it; a
 * PosternError `not-found` if none has.
 */
export async function labelled(idOrLabel: string, source: Source): Promise<Found> {
  try {
    return await source.get(idOrLabel);
  } catch (error) {
    if (!(error instanceof PosternError) || error.code !== "not-found") throw error;
    const ids: string[] = [];
    for await (const { id, label } of source.list()) if (label === idOrLabel) ids.push(id);
    const [id, ...others] = ids;
    if (others.length > 0)
      throw new AmbiguousName(
        `${ids.length} records have the label ${idOrLabel}; delete or relabel all but one: ${ids.join(", ")}`,
      );
    if (id === undefined) throw error;
    return source.get(id);
  }
}
