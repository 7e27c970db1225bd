import { type Output, painted } from "../frame/output.ts";

/** What is looked at, in the order in which a sender does. */
export type Check =
  | "mx"
  | "mta-sts"
  | "address"
  | "tlsa"
  | "connect"
  | "ehlo"
  | "starttls"
  | "tls"
  | "name"
  | "chain"
  | "expiry"
  | "dane"
  | "policy"
  | "rcpt"
  | "session"
  | "no-cert"
  | "plaintext";

export interface Step {
  /** Null = of the domain. */
  readonly host: string | null;
  /** Null = of the host. */
  readonly address: string | null;
  readonly check: Check;
  /** `noted`: no failure, and no promise either. */
  readonly result: "passed" | "failed" | "noted";
  readonly text: string;
}

/** Longest text of a server that is printed. */
const MAX_TEXT = 300;
const STYLES = { passed: "good", failed: "bad", noted: "dim" } as const;
const RESULT_WIDTH = 6;
const CHECK_WIDTH = 10;

/** Prints each step as it is taken. */
export class Steps {
  readonly #output: Output;
  #failed = 0;
  #heading = "";

  constructor(output: Output) {
    this.#output = output;
  }

  get failed(): number {
    return this.#failed;
  }

  add(step: Step): void {
    const text = step.text.slice(0, MAX_TEXT);
    if (step.result === "failed") this.#failed++;
    this.#output.json({ ...step, text });
    const heading = [step.host, step.address].filter((each) => each !== null).join(" ");
    if (heading !== this.#heading && heading !== "") this.#output.line(painted("bold", heading));
    this.#heading = heading;
    this.#output.line(
      heading === "" ? "" : "  ",
      painted(STYLES[step.result], step.result.padEnd(RESULT_WIDTH)),
      `  ${step.check.padEnd(CHECK_WIDTH)}`,
      text,
    );
  }
}

/** Adds steps of one host and address. */
export interface Place {
  readonly host: string;
  readonly address: string | null;
  readonly steps: Steps;
}

export const step = (
  { host, address, steps }: Place,
  check: Check,
  [result, text]: readonly [Step["result"], string],
): void => steps.add({ host, address, check, result, text });
