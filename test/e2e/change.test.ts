import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SmtpClient } from "../support/smtp-client.ts";
import { endAll, newDataDir, withPostern } from "./postern-process.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

async function session(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  await client.reply();
  await client.say("EHLO client.example");
  return client;
}

describe("a change of settings at the default poll interval", () => {
  // That it takes no longer than the interval and a second is for poller.test.ts, whose clock no busy machine
  // slows.
  it("is in force for a new connection after the next poll, while an open one keeps the old settings", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        const { smtp } = await postern.started();
        await postern.inForce(await postern.setLevel("example.com", "accept"));
        const open = await session(smtp.port);
        await postern.inForce(await postern.setLevel("example.com", "require"));
        const fresh = await session(smtp.port);
        expect(await fresh.say("MAIL FROM:<a@sender.example>")).toMatch(/^530 5\.7\.0/);
        expect(await open.say("MAIL FROM:<a@sender.example>")).toMatch(/^250/);
        expect(await open.say("RCPT TO:<b@example.com>")).toMatch(/^250/);
      },
      { SETTINGS_POLL_INTERVAL_MS: "1000" },
    );
  });

  it("survives a restart", async () => {
    const revision = await withPostern(dataDir, async (postern) => {
      const written = await postern.setLevel("example.com", "require");
      await postern.end("SIGKILL");
      return written;
    });
    await withPostern(dataDir, async (postern) => {
      const { smtp } = await postern.started();
      await postern.inForce(revision);
      const client = await session(smtp.port);
      expect(await client.say("MAIL FROM:<a@sender.example>")).toMatch(/^530 5\.7\.0/);
    });
  });

  it("names a certificate that is loaded before a client needs it, and the status shows it", async () => {
    await withPostern(dataDir, async (postern) => {
      const { health } = await postern.started();
      const made = await postern.api("POST /v1/certificates", {
        source: "self-signed",
        names: ["mx.example.com"],
      });
      expect(made.status).toBe(201);
      const { id, revision } = (await made.json()) as { id: string; revision: number };
      await postern.inForce(revision);
      const answer = await postern.api("PUT /v1/domains/example.com", {
        mxHosts: ["mx.example.com"],
        tls: { server: { level: "require", certificateId: id } },
      });
      expect(answer.status).toBe(201);
      const { smtp } = await postern.started();
      await postern.inForce(((await answer.json()) as { revision: number }).revision);
      const client = await session(smtp.port);
      const secure = await client.startTls({ servername: "mx.example.com" });
      expect(secure.getPeerCertificate().subjectaltname).toBe("DNS:mx.example.com");
      expect(health.port).toBeGreaterThan(0);
    });
  });
});
