import { describe, expect, it } from "vitest";
import { NotFound, Unavailable, Unreadable } from "../errors.ts";
import { trustStoreId, trustStoreRecord } from "../../test/support/records.ts";
import { createTrustContentLoader } from "./trust-content-loader.ts";

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const storeOf = (contentSha256: string, n: number) =>
  trustStoreRecord({ id: trustStoreId(n), contentSha256 });
const GOOD = json({ certificatesPem: "PEM", crlPem: "CRL" });

function loaderOver(answers: Record<string, Uint8Array | Error>) {
  const reads: string[] = [];
  const logged: unknown[] = [];
  const loader = createTrustContentLoader(
    {
      get: async (name, sha256) => {
        reads.push(`${name} ${sha256}`);
        const answer = answers[sha256] ?? new NotFound(name);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    (_, error) => logged.push(error),
  );
  return { loader, reads, logged };
}

describe("the trust content loader", () => {
  it("reads a content once by its hash, however many stores name it and however often it is asked", async () => {
    const { loader, reads } = loaderOver({ a: GOOD });
    const first = await loader.load([storeOf("a", 1), storeOf("a", 2)]);
    const second = await loader.load([storeOf("a", 1)]);
    expect(reads).toEqual(["trust/a a"]);
    expect(first.get("a")).toEqual({ certificatesPem: "PEM", crlPem: "CRL" });
    expect(second).toBe(first);
  });

  it("forgets a content that no store names any more", async () => {
    const { loader, reads } = loaderOver({ a: GOOD });
    await loader.load([storeOf("a", 1)]);
    expect((await loader.load([])).size).toBe(0);
    await loader.load([storeOf("a", 1)]);
    expect(reads).toHaveLength(2);
  });

  it.each([
    { what: "gone", answer: new NotFound("/secret/path"), problem: /gone/ },
    { what: "silent", answer: new Unavailable("/secret/path"), problem: /did not give/ },
    { what: "damaged", answer: new Unreadable("/secret/path"), problem: /cannot be read/ },
    { what: "not JSON", answer: Buffer.from("/secret/path"), problem: /cannot be read/ },
    { what: "another document", answer: json({ certificatesPem: "" }), problem: /cannot be read/ },
  ])("leaves out a content that is $what, names the store, and logs why", async ({ answer, problem }) => {
    const { loader, logged } = loaderOver({ a: answer, b: GOOD });
    const store = storeOf("a", 1);
    const contents = await loader.load([store, storeOf("b", 1)]);
    expect([...contents.keys()]).toEqual(["b"]);
    expect(loader.unreadable()).toEqual([
      { kind: "trust-store", id: store.id, problem: expect.stringMatching(problem) },
    ]);
    expect(JSON.stringify(loader.unreadable())).not.toContain("secret");
    await loader.load([store]);
    expect(logged).toHaveLength(1);
  });

  it("keeps what it loaded while the vault is down", async () => {
    const answers: Record<string, Uint8Array | Error> = { a: GOOD };
    const { loader } = loaderOver(answers);
    await loader.load([storeOf("a", 1)]);
    answers["a"] = new Unavailable("no answer");
    const contents = await loader.load([storeOf("a", 1), storeOf("b", 2)]);
    expect([...contents.keys()]).toEqual(["a"]);
  });
});
