import { describe, expect, it } from "vitest";
import * as z from "zod";
import { readBoth, readEnvironment, WrongEnvironment } from "./environment.ts";

const schema = z.object({
  TABLE_NAME: z.string().regex(/^[a-z]+$/, "must be the name of a table"),
  KEY_BUCKET: z.string(),
  MODE: z.enum(["a", "b"], "must be a or b").default("a"),
});

describe("an environment", () => {
  it("is read with its defaults, and what the schema does not name is left out", () => {
    const environment = { TABLE_NAME: "postern", KEY_BUCKET: "keys", HOME: "/", MODE: "" };
    expect(readEnvironment(schema, environment)).toEqual({
      TABLE_NAME: "postern",
      KEY_BUCKET: "keys",
      MODE: "a",
    });
  });

  it("that is wrong is answered with each variable and the reason, and never with a value", () => {
    const wrong = { TABLE_NAME: "A secret", KEY_BUCKET: "", MODE: "c-secret" };
    expect(() => readEnvironment(schema, wrong)).toThrow(WrongEnvironment);
    expect(() => readEnvironment(schema, wrong)).toThrow(
      /^TABLE_NAME: must be the name of a table\nKEY_BUCKET: is not set\nMODE: must be a or b$/,
    );
  });

  it("that two programs read names the problems of both, and its values when there are none", () => {
    const read = (environment: Record<string, string>) =>
      readBoth(
        () => readEnvironment(schema.pick({ TABLE_NAME: true }), environment),
        () => readEnvironment(schema.pick({ KEY_BUCKET: true }), environment),
      );
    expect(read({ TABLE_NAME: "postern", KEY_BUCKET: "keys" })).toEqual([
      { TABLE_NAME: "postern" },
      { KEY_BUCKET: "keys" },
    ]);
    expect(() => read({})).toThrow(/^TABLE_NAME: is not set\nKEY_BUCKET: is not set$/);
    expect(() => read({ TABLE_NAME: "postern" })).toThrow(/^KEY_BUCKET: is not set$/);
  });
});
