import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { DeliveryTarget } from "../../core/delivery/delivery.ts";
import { createS3Client } from "./s3-client.ts";
import { createS3Delivery } from "./s3-delivery.ts";
import { ServiceCalls } from "./service-calls.ts";

/** Parts of 8 MB, while a client waits after its dot. */
export const MAIL_BUCKET_LIMITS = { deadlineMs: 120_000, tryMs: 30_000 };

/** Delivery to `s3://` routes with the account and region of the SDK's own `AWS_*` variables. */
export const openMailBucket = (clock: Clock): DeliveryTarget =>
  createS3Delivery({
    client: createS3Client(),
    calls: new ServiceCalls("mail bucket", MAIL_BUCKET_LIMITS),
    clock,
    randomBytes,
  });
