/** Clients of AWS's SDK and the options that all of them share. */

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

/**
 * Clients of the SDK. Region, credentials, endpoints and whatever else can be set comes from the SDK's own
 * `AWS_*` variables, so that the same code talks to an account, to another region's endpoint or to an
 * emulator (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_S3`).
 */
export const CLIENT_OPTIONS = {
  // Retries and the time of one try are service-calls.ts's.
  maxAttempts: 1,
  requestHandler: { connectionTimeout: 1_000 },
} as const;

export const createDynamoDbClient = (): DynamoDBClient => new DynamoDBClient(CLIENT_OPTIONS);
