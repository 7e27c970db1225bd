import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { helpText } from "../../local/local-config.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { endAll, newDataDir, PosternProcess, withPostern } from "./postern-process.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

const modeOf = (name: string): number => statSync(join(dataDir, name)).mode & 0o777;

async function takenPort(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

describe("a start with a wrong environment", () => {
  it.each([
    ["API_PORT", "http"],
    ["SMTP_LISTENERS", "{"],
    ["DELIVERY", "ftp://next.example"],
    ["LIMITS", '{"maxEverything":1}'],
    ["LOG_LEVEL", "loud"],
    ["SETTINGS_POLL_INTERVAL_MS", "1"],
    ["ACME_DIRECTORIES", '{"ca":{"url":"http://ca.example/"}}'],
    ["ACME_DIRECTORIES", '{"ca":{"url":"https://ca.example/","caFile":"/no/such/file.pem"}}'],
    ["ACME_EAB_HMAC_KEYS", '{"ca":"AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'],
  ])("ends with 78 and says that %s=%s is wrong", async (name, value) => {
    const postern = new PosternProcess(dataDir, { [name]: value });
    expect(await postern.ended).toEqual({ code: 78, signal: null });
    expect(postern.screen).toMatch(new RegExp(`^ {2}${name}: .*[a-z]{3}`, "m"));
  });

  it("ends with 78 when the maildir of DELIVERY cannot be made", async () => {
    writeFileSync(join(dataDir, "file"), "");
    const postern = new PosternProcess(dataDir, { DELIVERY: `maildir:${join(dataDir, "file/mail")}` });
    expect((await postern.ended).code).toBe(78);
    expect(postern.screen).toMatch(/^ {2}DELIVERY: .*file\/mail cannot be used/m);
  });

  it("ends with 78 when DATA_DIR is not a directory, or when its database file is not a database", async () => {
    const file = join(dataDir, "file");
    writeFileSync(file, "");
    const noDirectory = new PosternProcess(file);
    expect((await noDirectory.ended).code).toBe(78);
    expect(noDirectory.screen).toContain("DATA_DIR: ");
    writeFileSync(join(dataDir, "postern.sqlite"), "this is no database at all, not even a small one");
    const noDatabase = new PosternProcess(dataDir);
    expect((await noDatabase.ended).code).toBe(78);
    expect(noDatabase.screen).toMatch(/DATA_DIR: .*postern\.sqlite/);
  });

  it.each(["API_PORT", "SMTP_PORT", "HEALTH_PORT"])(
    "ends and names %s when its port is taken",
    async (name) => {
      const { server, port } = await takenPort();
      const postern = new PosternProcess(dataDir, { [name]: String(port) });
      const { code } = await postern.ended;
      server.close();
      expect(code).toBe(1);
      expect(postern.screen).toContain(`${name}: 127.0.0.1:${port} is in use already`);
    },
  );

  it.each([
    ["203.0.113.1", "is not an address of this machine"],
    ["no-such-host.invalid", "is not a name that this machine knows"],
  ])("ends and names SMTP_LISTENERS when %s of it %s", async (host, reason) => {
    const postern = new PosternProcess(dataDir, { SMTP_LISTENERS: JSON.stringify([{ host, port: 0 }]) });
    expect((await postern.ended).code).toBe(1);
    expect(postern.screen).toContain(`SMTP_LISTENERS: ${host}:0 ${reason}`);
  });

  it.each([
    ["API_HOST", { API_HOST: "203.0.113.1" }],
    ["HEALTH_HOST", { HEALTH_HOST: "203.0.113.1" }],
  ])("ends and names %s when the health server cannot be on it", async (name, variables) => {
    const postern = new PosternProcess(dataDir, variables);
    expect((await postern.ended).code).toBe(1);
    expect(postern.screen).toContain(`${name}: 203.0.113.1:0 is not an address of this machine`);
  });

  it("ends and names SMTP_LISTENERS when one of its ports is taken", async () => {
    const { server, port } = await takenPort();
    const postern = new PosternProcess(dataDir, { SMTP_LISTENERS: JSON.stringify([{ port }]) });
    const { code } = await postern.ended;
    server.close();
    expect(code).toBe(1);
    expect(postern.screen).toContain(`SMTP_LISTENERS: 127.0.0.1:${port} is in use already`);
  });
});

describe("a worker without the API", () => {
  const AWS = { STORE: "dynamodb", TABLE_NAME: "postern", KEY_BUCKET: "keys", DELIVERY: "s3://mail/in" };

  it.each([
    ["API_HOST: is not a variable of a worker; set HEALTH_HOST", { ...AWS, API_HOST: "0.0.0.0" }],
    [
      "API_HOST: is not a variable of a worker; set HEALTH_HOST",
      { ...AWS, API_HOST: "127.0.0.1", HEALTH_HOST: "0.0.0.0" },
    ],
    ["DELIVERY: is not set", { ...AWS, DELIVERY: "" }],
    ["HEALTH_HOST: must be an IP address or a host name", { ...AWS, HEALTH_HOST: "no host" }],
    [
      "LOG_LEVEL: must be one of trace, debug, info, warn, error, fatal, silent\nTABLE_NAME: is not set",
      { ...AWS, LOG_LEVEL: "loud", TABLE_NAME: "" },
    ],
  ])("does not start, and says %j", (problems, variables) => {
    const main = join(import.meta.dirname, "../../worker/main.ts");
    const { status, stderr } = spawnSync(process.execPath, [main], {
      env: { PATH: process.env["PATH"], SMTP_NAME: "gate.example", DATA_DIR: dataDir, ...variables },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([78, `The worker cannot start.\n${problems}\n`]);
  });
});

describe("a start", () => {
  it("with --help lists every variable and starts nothing", () => {
    const main = join(import.meta.dirname, "../../local/main.ts");
    const { status, stdout } = spawnSync(process.execPath, [main, "--help"], {
      cwd: dataDir,
      encoding: "utf8",
    });
    expect([status, stdout]).toEqual([0, helpText()]);
  });

  it("shows addresses, the path of the token, and the new token once", async () => {
    const [first, second] = [
      await withPostern(dataDir, async (postern) => {
        const { api, smtp, health } = await postern.started();
        expect(postern.screen).toContain(`http://127.0.0.1:${api.port}`);
        expect(postern.screen).toContain(`127.0.0.1:${smtp.port}`);
        expect(postern.screen).toContain(`http://127.0.0.1:${health.port}/ready`);
        expect(postern.screen).toContain(join(dataDir, "api-token"));
        expect(postern.screen).toContain(postern.token);
        expect(JSON.stringify(postern.log)).not.toContain(postern.token);
        await postern.end();
        return postern.token;
      }),
      await withPostern(dataDir, async (postern) => {
        await postern.started();
        expect(postern.screen).not.toContain(postern.token);
        return postern.token;
      }),
    ];
    expect(second).toBe(first);
  });

  it("makes every file readable by its owner only", async () => {
    chmodSync(dataDir, 0o755);
    await withPostern(dataDir, async (postern) => {
      await postern.started();
      expect(statSync(dataDir).mode & 0o777).toBe(0o700);
      for (const name of [
        "api-token",
        "default-certificate.pem",
        "postern.sqlite",
        "lock.sqlite",
        "running.json",
      ]) {
        expect([name, modeOf(name)]).toEqual([name, 0o600]);
      }
    });
  });

  it("serves the same default certificate before and after a restart", async () => {
    const fingerprint = (): Promise<string> =>
      withPostern(dataDir, async (postern) => {
        const { smtp } = await postern.started();
        const client = await SmtpClient.connect(smtp.port);
        await client.reply();
        await client.say("EHLO client.example");
        expect(await client.say("STARTTLS")).toMatch(/^220/);
        const secure = await client.handshake({ servername: "gate.example" });
        return secure.getPeerCertificate().fingerprint256;
      });
    expect(await fingerprint()).toBe(await fingerprint());
  });

  it("is refused while another process uses the same DATA_DIR; that process continues", async () => {
    await withPostern(dataDir, async (first) => {
      await first.started();
      const second = new PosternProcess(dataDir);
      expect((await second.ended).code).toBe(1);
      expect(second.screen).toContain(`DATA_DIR: ${dataDir} is in use by another Postern`);
      await first.ready((ready) => ready["ready"] === true, "the first is ready");
    });
  });

  it("works after a SIGKILL without repair", async () => {
    await withPostern(dataDir, async (postern) => {
      await postern.started();
      await postern.end("SIGKILL");
    });
    await withPostern(dataDir, async (postern) => {
      const { health } = await postern.started();
      expect((await fetch(`http://127.0.0.1:${health.port}/ready`)).status).toBe(200);
    });
  });

  it("uses the token of API_TOKEN, and never shows it", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        await postern.started();
        expect(readFileSync(join(dataDir, "api-token"), "utf8")).toBe("a-token-of-ours\n");
        expect(postern.screen + JSON.stringify(postern.log)).not.toContain("a-token-of-ours");
      },
      { API_TOKEN: "a-token-of-ours" },
    );
  });

  it("creates DATA_DIR where it is missing", async () => {
    const below = join(dataDir, "a", "b");
    mkdirSync(join(dataDir, "a"));
    await withPostern(below, async (postern) => {
      await postern.started();
      expect(statSync(below).mode & 0o777).toBe(0o700);
    });
  });
});

describe("an end", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "by %s is a graceful shutdown: 421 to idle sessions, exit 0, no files left",
    async (signal) => {
      await withPostern(dataDir, async (postern) => {
        const { smtp } = await postern.started();
        const client = await SmtpClient.connect(smtp.port);
        await client.reply();
        postern.signal(signal);
        expect(await client.reply()).toMatch(/^421 4\.3\.2/);
        expect(await postern.ended).toEqual({ code: 0, signal: null });
        expect(postern.log.at(-1)).toMatchObject({ event: "stopped", code: 0 });
        expect(() => statSync(join(dataDir, "running.json"))).toThrow(/ENOENT/);
      });
    },
  );
});

describe("keys of deleted certificates", () => {
  it("are deleted from DATA_DIR a day later, at the next start", async () => {
    let key = "";
    await withPostern(dataDir, async (postern) => {
      const body = { source: "self-signed", names: ["mx.example"] };
      const made = (await (await postern.api("POST /v1/certificates", body)).json()) as { id: string };
      key = join(dataDir, "vault/keys", made.id, "1");
      const path = `/v1/certificates/${made.id}`;
      expect((await postern.api(`DELETE ${path}`, undefined, { "if-match": "*" })).status).toBe(204);
      await postern.logged("clean-up-swept");
      expect(statSync(key).isFile()).toBe(true);
      await postern.end();
    });
    const longAgo = new Date(Date.now() - 2 * 24 * 3600 * 1000);
    utimesSync(key, longAgo, longAgo);
    await withPostern(dataDir, async (postern) => {
      expect(await postern.logged("clean-up-swept")).toMatchObject({ deleted: 1 });
      expect(() => statSync(key)).toThrow(/ENOENT/);
    });
  });
});
