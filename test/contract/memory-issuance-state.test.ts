import { MemoryIssuanceState } from "../support/memory-issuance-state.ts";
import { issuanceStateContract } from "./issuance-state.contract.ts";

issuanceStateContract({
  name: "a map in memory",
  create: async () => {
    let now = 0;
    const state = new MemoryIssuanceState({ now: () => now });
    return {
      state,
      other: state,
      reopen: async () => state,
      setClock: (epochMs) => {
        now = epochMs;
      },
      spoil: async (name) => {
        const item = state.items.get(name);
        if (item !== undefined) state.items.set(name, { ...item, text: "{" });
      },
      close: async () => undefined,
    };
  },
});
