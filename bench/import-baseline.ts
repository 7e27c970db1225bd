/**
 * Cost of importing an API of hono, zod-openapi and the DynamoDB client without Postern: the baseline with
 * which bench/import-cpu.ts compares the functions.
 */
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { handle } from "hono/aws-lambda";

const client = new DynamoDBClient({ maxAttempts: 1 });
const app = new OpenAPIHono();
app.openapi(
  createRoute({
    method: "get",
    path: "/items/{id}",
    request: { params: z.strictObject({ id: z.string() }) },
    responses: {
      200: {
        description: "found",
        content: { "application/json": { schema: z.strictObject({ id: z.string() }) } },
      },
    },
  }),
  async (c) => {
    const { id } = c.req.valid("param");
    await client.send(new GetItemCommand({ TableName: "items", Key: { id: { S: id } } }));
    return c.json({ id }, 200);
  },
);

export const handler = handle(app);
