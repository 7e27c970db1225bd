import type { TestProject } from "vitest/node";
import { type DocumentTools, installDocumentTools, installedDocumentTools } from "./document-tools.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** null = not installed here: their tests are skipped. */
    readonly documentTools: DocumentTools | null;
  }
}

/**
 * Installs the readers of the document where `POSTERN_DOCUMENT=required` asks for them; elsewhere takes what
 * is installed.
 */
export async function setup(project: TestProject): Promise<void> {
  const isRequired = process.env["POSTERN_DOCUMENT"] === "required";
  const tools = isRequired ? await installDocumentTools() : await installedDocumentTools();
  project.provide("documentTools", tools);
  if (tools === null)
    process.stderr.write(
      "document: no Spectral, Redocly, openapi-typescript, Schemathesis and oasdiff here; npm run test:document installs them\n",
    );
}
