import { afterAll, beforeAll } from "vitest";
import { endToEndCases } from "../contract/end-to-end.cases.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { ProductOnAws } from "../support/aws/product-on-aws.ts";
import { createTestBucket, TEST_KMS_KEY_ID, type TestBucket } from "../support/aws/test-bucket.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

describeOnAws("from a request to the API to a reply of the edge", () => {
  let table: TestTable;
  let bucket: TestBucket;
  let product: ProductOnAws;

  beforeAll(async () => {
    [table, bucket] = await Promise.all([createTestTable(), createTestBucket()]);
    const reads = { TABLE_NAME: table.name, KEY_BUCKET: bucket.name };
    const writes = { ...reads, KEY_KMS_KEY_ID: TEST_KMS_KEY_ID };
    product = await ProductOnAws.start({
      api: { ...writes, SMTP_NAME: "gate.example" },
      schedule: writes,
      worker: { ...reads, DELIVERY: `s3://${bucket.name}/inbox` },
    });
  });
  afterAll(async () => {
    await product.close();
    await Promise.all([table.delete(), bucket.delete()]);
  });

  endToEndCases(() => product);
});
