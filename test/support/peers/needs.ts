import { describe, inject } from "vitest";
import type { Peer } from "./installed-peers.ts";

/**
 * `describe` for tests that need these programs; where one is absent they are skipped, and `setup` has said
 * so.
 */
export function describeWith(peers: readonly Peer[]): ReturnType<typeof describe.skipIf> {
  const absent = inject("absentPeers");
  return describe.skipIf(peers.some((peer) => absent.includes(peer)));
}
