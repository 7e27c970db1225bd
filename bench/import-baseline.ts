/**
 * What an API of hono, zod-openapi and the DynamoDB client costs to import before the first line of Postern: the measure that
 * bench/import-cpu.ts holds our functions against.
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
