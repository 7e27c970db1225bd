import type { Readable } from "node:stream";

/** The stream was destroyed before its end. */
class StreamCut extends Error {
  override readonly name = "StreamCut";
}

/**
 * The chunks of a stream up to its end. Unlike `for await` over the stream itself it costs three listeners instead of a
 * dozen, and leaves the stream alive when its reader stops early, so that the rest can still be read away.
 *
 * @throws StreamCut when the stream is destroyed before its end.
 */
export async function* chunksOf(stream: Readable): AsyncGenerator<Uint8Array> {
  let wake: (() => void) | null = null;
  const onChange = (): void => wake?.();
  stream.on("readable", onChange).on("end", onChange).on("close", onChange);
  try {
    for (;;) {
      const chunk: unknown = stream.read();
      if (chunk instanceof Uint8Array) {
        yield chunk;
        continue;
      }
      if (stream.readableEnded) return;
      if (stream.destroyed) throw new StreamCut("the stream was destroyed");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = null;
    }
  } finally {
    stream.off("readable", onChange).off("end", onChange).off("close", onChange);
  }
}
