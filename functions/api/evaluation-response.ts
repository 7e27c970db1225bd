/** Schemas of an evaluation's answer. */

import * as z from "zod";
import {
  CLIENT_RESULTS,
  type Evaluation,
  type Outcome,
  REFUSAL_REASONS,
} from "../../core/evaluation/evaluation.ts";
import { REASONS } from "../../core/policy/verdict.ts";
import { schemaOf } from "../../core/same-fields.ts";
import { time } from "./domain-response.ts";

const VERDICTS = ["accept", "defer", "reject"] as const;
const row = z.int().min(1).max(REASONS.length).nullable().meta({
  description:
    "row of the verdict table that failed; null = none. Under enforcement observe, the verdict is accept all the same",
});
const reason = z.enum(REFUSAL_REASONS).nullable();

const reply = z
  .strictObject({
    code: z.int().min(200).max(599),
    enhanced: z.string(),
    text: z.string(),
    line: z.string().meta({ description: "whole reply line, without its line end" }),
  })
  .meta({ id: "EvaluatedReply" });

const exception = z
  .strictObject({
    index: z.int().min(0).meta({ description: "position in tls.exceptions" }),
    reason: z.string(),
  })
  .nullable()
  .meta({ description: "the exception that applied; null = none" });

const outcome = schemaOf<Outcome>()(
  z
    .strictObject({ verdict: z.enum(VERDICTS), reply, row, reason, exception })
    .meta({ id: "EvaluationOutcome" }),
);

const certificate = z
  .strictObject({
    source: z.enum(["settings", "default", "hidden"]).meta({
      description: "settings = one of the account, default = the edge's own, hidden = one of another account",
    }),
    certificateId: z.string().nullable(),
    version: z.int().nullable(),
    fingerprintsSha256: z
      .array(z.string())
      .readonly()
      .meta({ description: "the client's signature algorithms choose among them; empty = not known here" }),
    notAfter: time.nullable(),
  })
  .meta({ id: "PresentedCertificate" });

const clientCertificate = z
  .strictObject({
    result: z.enum(CLIENT_RESULTS),
    reason: z.string(),
    presented: z
      .strictObject({
        dnsNames: z.array(z.string()).readonly(),
        fingerprintSha256: z.string(),
        spkiPin: z.string(),
      })
      .nullable(),
  })
  .meta({ id: "EvaluatedClientCertificate" });

const explanation = z
  .strictObject({
    row: z.int().min(1).max(REASONS.length),
    reason: z.enum(REASONS).meta({ description: "reason of a failure of this row" }),
    passed: z.boolean().nullable().meta({
      description: "whether the session passes the row; null = not reached, or it depends on the chain",
    }),
    text: z.string(),
    facts: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .meta({ description: "facts that the row was judged by" }),
  })
  .meta({ id: "ExplainedRow" });

export const evaluationResponse = schemaOf<Evaluation>()(
  z
    .strictObject({
      verdict: z.enum([...VERDICTS, "not-evaluated"]),
      command: z.enum(["MAIL", "RCPT"]).meta({ description: "command that receives the reply" }),
      reply: reply.nullable().meta({
        description: "SMTP reply to the sender; null = it depends on the client's chain, see `cases`",
      }),
      row,
      reason,
      exception,
      cases: z.strictObject({ valid: outcome, invalid: outcome }).nullable().meta({
        description:
          "outcomes for a chain that is valid for the domain and for one that is not, where the chain is not judged here; null = the reply is known",
      }),
      certificate: certificate
        .nullable()
        .meta({ description: "certificate that the edge presents; null = in plaintext" }),
      clientCertificateRequested: z.boolean(),
      clientCertificate,
      listener: z.strictObject({ name: z.string(), dedicatedTo: z.string().nullable() }),
      at: time.meta({ description: "moment at which exceptions and certificates were judged" }),
      revision: z.int().min(0).meta({ description: "revision of the settings; a draft is laid over it" }),
      explanation: z
        .array(explanation)
        .readonly()
        .meta({ description: "one line for each row of the verdict table, in order" }),
    })
    .meta({ id: "Evaluation" }),
);
