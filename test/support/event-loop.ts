import { setImmediate } from "node:timers/promises";

const TURNS = 100;

/**
 * Waits until a value has stayed the same for a hundred turns of the event loop. Each turn takes in what
 * sockets of this process have sent one another, so that what is still to come by itself has come: no claim
 * about time.
 *
 * @returns the value that stayed
 */
export async function untilStill<T>(read: () => T): Promise<T> {
  let value = read();
  for (let turns = 0; turns < TURNS; turns += 1) {
    await setImmediate();
    const now = read();
    if (now === value) continue;
    value = now;
    turns = 0;
  }
  return value;
}

/** Lets everything go on that waits for neither time nor another process. */
export const untilIdle = (): Promise<null> => untilStill(() => null);
