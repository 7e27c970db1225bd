import type { WaitEffects } from "../../core/management/waiting-room.ts";

/** A clock that moves by its sleepers; `onSleep` happens in each pause. */
export function steppedTime() {
  let nowMs = 0;
  const time = {
    pauses: [] as number[],
    onSleep: async (_pause: number): Promise<void> => undefined,
    effects: {
      now: () => nowMs,
      sleep: async (ms) => {
        time.pauses.push(ms);
        await time.onSleep(time.pauses.length);
        nowMs += ms;
      },
    } satisfies WaitEffects,
    elapsedMs: () => nowMs,
  };
  return time;
}
