import type { Evaluation, EvaluationRequest } from "../../../sdk/src/index.ts";
import type { CommandSpec, Context } from "../frame/command.ts";
import { painted } from "../frame/output.ts";
import { readJsonDocument, readText } from "./json-document.ts";

export const EVALUATE: CommandSpec = {
  path: "evaluate",
  summary: "Show what an edge would reply to a sender, and why",
  example: "postern evaluate --client 192.0.2.10 --from a@example.net --to b@example.com --protocol TLSv1.3",
  options: [
    { flags: "--client <address>", about: "IP address of the sender", isRequired: true },
    { flags: "--to <address>", about: "recipient", isRequired: true },
    { flags: "--from <address>", about: "sender; left out = the null sender" },
    {
      flags: "--protocol <version>",
      about: "what the handshake agrees on; left out = plaintext",
      choices: ["TLSv1.2", "TLSv1.3"],
    },
    { flags: "--sni <name>", about: "server name of the ClientHello" },
    { flags: "--helo <name>", about: "name that the sender gives" },
    { flags: "--client-chain <file>", about: "certificates of the client as PEM" },
    { flags: "--listener <name>", about: "listener of the edges" },
    { flags: "--at <time>", about: "such as 2027-01-31T00:00:00Z; left out = now" },
    { flags: "--settings <file>", about: "draft of the domain's settings as JSON, in place of those stored" },
  ],
  async run(context) {
    const { api, input, output } = context;
    const chain = input.text("clientChain");
    const settings = input.text("settings");
    const request = {
      clientAddress: input.text("client"),
      rcptTo: input.text("to"),
      mailFrom: input.text("from") ?? "",
      protocol: input.text("protocol") ?? null,
      sni: input.text("sni"),
      helo: input.text("helo"),
      listener: input.text("listener"),
      at: input.text("at"),
      clientChainPem: chain === undefined ? undefined : await readText(context, chain),
      settings: settings === undefined ? undefined : await readJsonDocument(context, settings),
    };
    printEvaluation(await (await api()).evaluate(request as EvaluationRequest), output);
  },
};

const STYLES = { accept: "good", defer: "warn", reject: "bad", "not-evaluated": "warn" } as const;

function printEvaluation(evaluation: Evaluation, output: Context["output"]): void {
  output.json(evaluation);
  const { verdict, command, reply, reason, exception, cases, certificate, explanation } = evaluation;
  output.line(painted(STYLES[verdict], verdict), ` at ${command}`, reason === null ? "" : `: ${reason}`);
  if (reply !== null) output.line("  reply: ", reply.line);
  if (cases !== null)
    for (const [chain, outcome] of Object.entries(cases))
      output.line(`  with a client chain that is ${chain}: ${outcome.verdict}`);
  if (exception !== null) output.line(`  exception ${exception.index}: `, exception.reason);
  if (certificate !== null) output.line(`  certificate: ${certificate.certificateId ?? certificate.source}`);
  for (const { row, passed, text } of explanation) output.line(`  row ${row} `, mark(passed), ` ${text}`);
}

function mark(passed: boolean | null) {
  if (passed === null) return painted("dim", "-");
  return passed ? painted("good", "passed") : painted("bad", "failed");
}
