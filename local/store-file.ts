import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { Unavailable } from "../core/errors.ts";

/** First bytes of every SQLite database (https://www.sqlite.org/fileformat.html, section 1.3). */
const MAGIC = Buffer.from("SQLite format 3\0");

/** Watches the database file of a running process. */
export interface StoreFile {
  /**
   * The same port, every method of which is async, which answers Unavailable while the file is not the one
   * that was opened, or is none of SQLite's.
   */
  guard<Port extends object>(port: Port): Port;
  /** Only after the database is closed. */
  close(): void;
}

/**
 * A process that has a deleted file open goes on reading and writing it, and SQLite serves pages from memory
 * over a damaged one: mail would be judged by settings that cannot be changed any more, and changes would be
 * gone at the next start. So the file is looked at before each call (10 µs).
 */
export function watchStoreFile(path: string): StoreFile {
  // Kept open: closing any descriptor of the file would drop SQLite's own locks
  // (sqlite.org/howtocorrupt.html, section 2.2).
  const file = openSync(path, "r");
  const opened = fstatSync(file);
  const head = Buffer.alloc(MAGIC.length);

  function check(): void {
    const found = lookAt(path);
    if (found?.ino !== opened.ino || found.dev !== opened.dev) {
      throw new Unavailable(`the settings database ${path} was removed or replaced; put it back, or restart`);
    }
    if (readSync(file, head, 0, head.length, 0) !== head.length || !head.equals(MAGIC)) {
      throw new Unavailable(`the settings database ${path} is damaged`);
    }
  }

  return {
    guard: (port) =>
      new Proxy(port, {
        get(target, key) {
          const member: unknown = Reflect.get(target, key, target);
          if (typeof member !== "function") return member;
          return async (...values: unknown[]): Promise<unknown> => {
            check();
            return Reflect.apply(member, target, values);
          };
        },
      }),
    close: () => closeSync(file),
  };
}

function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new Unavailable(`the settings database ${path} cannot be reached`, { cause: error });
  }
}
