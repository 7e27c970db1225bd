import { describe, expect, it } from "vitest";
import { readSizes } from "./sizes.ts";

const read = (variables: Readonly<Record<string, string>>, isProduction = false) =>
  readSizes({
    given: (name) => variables[name] ?? null,
    isProduction,
    wrong: (name, reason) => new Error(`${name}: ${reason}`),
  });

describe("sizes of edges and functions", () => {
  it("are small outside production", () => {
    expect(read({})).toEqual({ edgeCpu: 0.5, edgeMemory: 1, apiMemory: 1024, scheduleMemory: 1024 });
    expect(read({}, true)).toEqual({ edgeCpu: 1, edgeMemory: 2, apiMemory: 1024, scheduleMemory: 1024 });
  });

  it.each([
    ["2", 4],
    ["0.25", 2],
    ["16", 32],
  ])("with %s vCPU alone have a memory that Fargate has for it", (POSTERN_EDGE_CPU, edgeMemory) => {
    expect(read({ POSTERN_EDGE_CPU }, true)).toMatchObject({ edgeCpu: Number(POSTERN_EDGE_CPU), edgeMemory });
  });

  it.each([
    [
      { POSTERN_EDGE_CPU: "4", POSTERN_EDGE_MEMORY: "30" },
      { edgeCpu: 4, edgeMemory: 30 },
    ],
    [
      { POSTERN_EDGE_CPU: "8", POSTERN_EDGE_MEMORY: "20" },
      { edgeCpu: 8, edgeMemory: 20 },
    ],
    [{ POSTERN_API_MEMORY: "1769" }, { apiMemory: 1769 }],
    [{ POSTERN_SCHEDULE_MEMORY: "10240" }, { scheduleMemory: 10_240 }],
  ])("may be %j", (variables, sizes) => {
    expect(read(variables)).toMatchObject(sizes);
  });

  it.each([
    [{ POSTERN_EDGE_CPU: "3" }, "POSTERN_EDGE_CPU: must be one of 0.25, 0.5, 1, 2, 4, 8, 16"],
    [{ POSTERN_EDGE_CPU: "1 vCPU" }, "POSTERN_EDGE_CPU: must be one of"],
    [{ POSTERN_EDGE_CPU: "1e0" }, "POSTERN_EDGE_CPU: must be one of"],
    [
      { POSTERN_EDGE_CPU: "1", POSTERN_EDGE_MEMORY: "1" },
      "POSTERN_EDGE_MEMORY: with 1 vCPU must be from 2 to 8 GB",
    ],
    [
      { POSTERN_EDGE_MEMORY: "5" },
      "POSTERN_EDGE_MEMORY: with 0.5 vCPU must be from 1 to 4 GB, in steps of 1",
    ],
    [{ POSTERN_EDGE_MEMORY: "1.5" }, "POSTERN_EDGE_MEMORY: with 0.5 vCPU"],
    [{ POSTERN_EDGE_MEMORY: "2 GB" }, "POSTERN_EDGE_MEMORY: with 0.5 vCPU"],
    [{ POSTERN_EDGE_CPU: "8", POSTERN_EDGE_MEMORY: "18" }, "in steps of 4"],
    [{ POSTERN_SCHEDULE_MEMORY: "64" }, "POSTERN_SCHEDULE_MEMORY: must be from 128 to 10240 MB"],
    [{ POSTERN_API_MEMORY: "1024 MB" }, "POSTERN_API_MEMORY: must be from 128 to 10240 MB"],
  ])("may not be %j", (variables, reason) => {
    expect(() => read(variables)).toThrow(reason);
  });
});
