import { installDocumentTools } from "../test/document/document-tools.ts";

// What `npm run test:document` does by itself when it has to; CI does it before, and again when a mirror
// drops the connection.
const { modules, schemathesis } = await installDocumentTools();
process.stdout.write(`readers of the OpenAPI document: ${modules}, ${schemathesis}\n`);
