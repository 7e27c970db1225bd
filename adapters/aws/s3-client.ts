import { S3Client } from "@aws-sdk/client-s3";
import { CLIENT_OPTIONS } from "./aws-clients.ts";

/** A separate file: the API loads S3's client with the first request that needs an object. */
export const createS3Client = (): S3Client => new S3Client(CLIENT_OPTIONS);
