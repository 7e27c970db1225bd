import { expect, it } from "vitest";
import { onDemand, openedOnce } from "./on-demand.ts";

interface Port {
  add(a: number, b: number): Promise<number>;
  fail(): Promise<void>;
}

class Adapter implements Port {
  readonly #start = 100;
  async add(a: number, b: number): Promise<number> {
    return this.#start + a + b;
  }
  fail = (): Promise<void> => Promise.reject(new TypeError("of the adapter"));
}

it("opens the adapter once, by the first call of any method", async () => {
  let opened = 0;
  const open = openedOnce(async () => {
    opened += 1;
    return new Adapter();
  });
  const port = onDemand<Port>({ add: true, fail: true }, open);
  expect(opened).toBe(0);
  expect(await Promise.all([port.add(1, 2), port.add(3, 4)])).toEqual([103, 107]);
  await expect(port.fail()).rejects.toThrow("of the adapter");
  expect(opened).toBe(1);
});

it("rejects a call where the adapter cannot be opened", async () => {
  const port = onDemand<Port>({ add: true, fail: true }, () => Promise.reject(new Error("not opened")));
  await expect(port.add(1, 2)).rejects.toThrow("not opened");
});
