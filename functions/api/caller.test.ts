import { describe, expect, it } from "vitest";
import { callerWith } from "../../test/support/api.ts";
import { bearerAuthentication, Unauthenticated, TooManyAttempts } from "./caller.ts";

const ACTOR = callerWith({ name: "operator" });
const OTHER = callerWith({ account: "other", name: "stranger" });

function start() {
  let now = 1_000;
  const authenticate = bearerAuthentication(
    [
      { token: "first-token", actor: ACTOR },
      { token: "second-token", actor: OTHER },
    ],
    () => now,
  );
  return {
    pass: (ms: number) => {
      now += ms;
    },
    from: (authorization: string | null, remoteAddress?: string) =>
      authenticate(
        new Request("http://localhost/", { headers: authorization === null ? {} : { authorization } }),
        remoteAddress === undefined ? {} : { incoming: { socket: { remoteAddress } } },
      ),
  };
}

describe("a bearer token", () => {
  it.each([
    ["Bearer first-token", ACTOR],
    ["bearer   first-token", ACTOR],
    ["BEARER second-token", OTHER],
  ])("%s is its caller", async (header, actor) => expect(await start().from(header)).toBe(actor));

  it.each([
    null,
    "",
    "first-token",
    "Bearer",
    "Bearer ",
    "Bearer first",
    "Bearer first-token2",
    "Bearer first-token second-token",
    "Bearer First-Token",
    "Basic first-token",
    "Bearer first-token,",
  ])("%j is not a caller", (header) => expect(start().from(header)).rejects.toThrow(Unauthenticated));

  it("that is wrong too often makes its client wait, and a right one passes all the same", async () => {
    const api = start();
    for (let attempt = 0; attempt < 30; attempt++)
      await expect(api.from("Bearer x", "192.0.2.1")).rejects.toThrow(Unauthenticated);
    await expect(api.from("Bearer x", "192.0.2.1")).rejects.toThrow(TooManyAttempts);
    await expect(api.from("Bearer x", "192.0.2.2")).rejects.toThrow(Unauthenticated);
    await expect(api.from(null, "192.0.2.1")).rejects.toThrow(Unauthenticated);
    expect(await api.from("Bearer first-token", "192.0.2.1")).toBe(ACTOR);
    api.pass(45_000);
    await expect(api.from("Bearer x", "192.0.2.1")).rejects.toThrow(
      expect.objectContaining({ retryAfterSeconds: 15 }),
    );
    api.pass(15_000);
    await expect(api.from("Bearer x", "192.0.2.1")).rejects.toThrow(Unauthenticated);
  });

  it("counts an IPv6 client as its /64", async () => {
    const api = start();
    for (let attempt = 0; attempt < 30; attempt++)
      await expect(api.from("Bearer x", `2001:db8::${attempt.toString(16)}`)).rejects.toThrow(
        Unauthenticated,
      );
    await expect(api.from("Bearer x", "2001:db8::ffff")).rejects.toThrow(TooManyAttempts);
    await expect(api.from("Bearer x", "2001:db8:0:1::1")).rejects.toThrow(Unauthenticated);
  });
});
