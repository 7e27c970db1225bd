import { pathToFileURL } from "node:url";

/**
 * A bundled function as a process: events come as messages and answers go as messages, one for each. Started
 * with the path of the bundle, and by how many milliseconds its clock is ahead.
 */

interface Call {
  readonly id: number;
  readonly event: unknown;
}

const [path = "", aheadMs = "0"] = process.argv.slice(2);
const realNow = Date.now;
Date.now = () => realNow() + Number(aheadMs);

const module = (await import(pathToFileURL(path).href)) as {
  readonly handler: (event: unknown) => Promise<unknown>;
};
process.on("message", ({ id, event }: Call) => {
  module.handler(event).then(
    (answer) => process.send?.({ id, answer: answer ?? null }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.once("disconnect", () => process.exit());
process.send?.({ id: 0, answer: null });
