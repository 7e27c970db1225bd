import { describe, expect, it } from "vitest";
import { InvalidInput, TooLarge } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import { type BodyMediaType, readJsonText, UnsupportedMediaType } from "./request-body.ts";

const JSON_TYPE = "application/json";
const PATCH_TYPE = "application/merge-patch+json";

function request(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  contentType: string | null = JSON_TYPE,
): Request {
  const made = new Request("http://localhost/", { method: "PUT", body, duplex: "half" });
  made.headers.delete("content-type");
  if (contentType !== null) made.headers.set("content-type", contentType);
  return made;
}

/** Sends without a length, and counts what was taken of it. */
function stream(
  chunks: number,
  chunkBytes: number,
): { body: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (taken === chunks) return controller.close();
        taken++;
        controller.enqueue(new Uint8Array(chunkBytes).fill(0x20));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken: () => taken };
}

describe("a JSON body", () => {
  it.each([
    [JSON_TYPE, JSON_TYPE],
    ["Application/JSON; Charset=UTF-8", JSON_TYPE],
    ['application/json;charset="utf-8"', JSON_TYPE],
    [PATCH_TYPE, PATCH_TYPE],
  ] satisfies [string, BodyMediaType][])("is taken as %s", async (contentType, expected) => {
    expect(await readJsonText(request('{"a":1}', contentType), expected)).toBe('{"a":1}');
  });

  it.each([
    [null, JSON_TYPE],
    ["text/plain", JSON_TYPE],
    ["application/jsonx", JSON_TYPE],
    ["application/json; charset=iso-8859-1", JSON_TYPE],
    [PATCH_TYPE, JSON_TYPE],
    [JSON_TYPE, PATCH_TYPE],
    ["application/x-www-form-urlencoded", JSON_TYPE],
  ] satisfies [string | null, BodyMediaType][])("is refused as %s", async (contentType, expected) => {
    await expect(readJsonText(request("{}", contentType), expected)).rejects.toBeInstanceOf(
      UnsupportedMediaType,
    );
  });

  it.each(["gzip", "deflate, identity", "br"])("is refused with the content coding %s", async (coding) => {
    const coded = request("{}");
    coded.headers.set("content-encoding", coding);
    await expect(readJsonText(coded, JSON_TYPE)).rejects.toBeInstanceOf(UnsupportedMediaType);
  });

  it("is refused when it breaks off, as the client's mistake", async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error("aborted")) });
    await expect(readJsonText(request(body), JSON_TYPE)).rejects.toMatchObject({
      name: "InvalidInput",
      issues: [{ pointer: "", code: "incomplete-body" }],
    });
  });

  it.each([JSON_TYPE, "text/plain", null])("is refused when it is empty, as %s", async (contentType) => {
    await expect(readJsonText(request("", contentType), JSON_TYPE)).rejects.toBeInstanceOf(InvalidInput);
  });

  it("is refused when it is not there at all", async () => {
    const none = new Request("http://localhost/", { method: "PUT", headers: { "content-type": JSON_TYPE } });
    await expect(readJsonText(none, JSON_TYPE)).rejects.toMatchObject({ issues: [{ code: "empty-body" }] });
  });

  it.each([
    ["a lone continuation byte", Uint8Array.of(0x22, 0x80, 0x22)],
    ["an overlong form", Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)],
    ["UTF-16", new Uint8Array(Buffer.from('{"a":1}', "utf16le"))],
  ])("is refused with %s", async (_, bytes) => {
    await expect(readJsonText(request(bytes), JSON_TYPE)).rejects.toBeInstanceOf(InvalidInput);
  });

  it(`is taken at ${CAPS.requestBytes} bytes and refused at one more`, async () => {
    const exact = `"${"a".repeat(CAPS.requestBytes - 2)}"`;
    expect(await readJsonText(request(exact), JSON_TYPE)).toHaveLength(CAPS.requestBytes);
    // Not `rejects`, which would print the megabyte.
    const over = await readJsonText(request(`${exact} `), JSON_TYPE).catch((error: unknown) => error);
    expect(over instanceof TooLarge).toBe(true);
  });

  it("is counted when it declares no length, and not read to its end", async () => {
    const { body, taken } = stream(1000, 100_000);
    await expect(readJsonText(request(body), JSON_TYPE)).rejects.toBeInstanceOf(TooLarge);
    expect(taken()).toBe(11);
  });

  it("is refused by its declared length before anything is read", async () => {
    const { body, taken } = stream(1, 10);
    const declared = request(body);
    declared.headers.set("content-length", String(CAPS.requestBytes + 1));
    await expect(readJsonText(declared, JSON_TYPE)).rejects.toBeInstanceOf(TooLarge);
    expect(taken()).toBe(0);
  });

  it("is refused with a duplicate key", async () => {
    await expect(readJsonText(request('{"a":1,"a":2}'), JSON_TYPE)).rejects.toMatchObject({
      issues: [{ pointer: "/a", code: "duplicate-key" }],
    });
  });
});
