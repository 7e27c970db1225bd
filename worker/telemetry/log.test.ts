import { describe, expect, it } from "vitest";
import type { LogLevel } from "../../core/log-event.ts";
import { createLog } from "./log.ts";

function logged(
  level: LogLevel,
  write: (log: ReturnType<typeof createLog>) => void,
): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLog({ level, write: (line) => lines.push(line) }));
  return lines.map((line) => {
    expect(line.endsWith("\n") && line.indexOf("\n") === line.length - 1).toBe(true);
    return JSON.parse(line);
  });
}

describe("the log", () => {
  it("writes one JSON object a line with level, time and event", () => {
    const [line] = logged("info", (log) => log("started", { text: 'a\n"b' }));
    expect(line).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      event: "started",
      text: 'a\n"b',
    });
  });

  it("leaves out what is below its level, and everything at silent", () => {
    const write = (log: ReturnType<typeof createLog>): void => {
      log("settings-unchanged");
      log("started");
      log("internal-error");
    };
    expect(logged("trace", write)).toHaveLength(3);
    expect(logged("error", write).map((line) => line["event"])).toEqual(["internal-error"]);
    expect(logged("silent", write)).toHaveLength(0);
  });

  it("writes an error with its type, code, stack and causes, bounded", () => {
    const cause = Object.assign(new Error("disk"), { code: "EIO" });
    const error = new Error("x".repeat(10_000), { cause });
    const [line] = logged("info", (log) => log("internal-error", { error }));
    expect(line?.["error"]).toMatchObject({ type: "Error", cause: { message: "disk", code: "EIO" } });
    expect(JSON.stringify(line).length).toBeLessThan(10_000);
    const [other] = logged("info", (log) => log("internal-error", { error: "text" }));
    expect(other?.["error"]).toEqual({ type: "string", message: "text" });
  });

  it("ends at a cause that leads back to itself", () => {
    const error = new Error("loop");
    error.cause = error;
    expect(logged("info", (log) => log("internal-error", { error }))).toHaveLength(1);
  });
});
