import { describe, expect, it } from "vitest";
import type { ReportedListener } from "../core/edge-report/edge-reports.ts";
import { parseDomainName } from "../core/name/domain-name.ts";
import { type FirstScreen, firstScreen } from "./first-screen.ts";

const shared: ReportedListener = {
  name: "smtp",
  address: "0.0.0.0",
  port: 25,
  domain: null,
  proxyProtocol: false,
};
const SCREEN: FirstScreen = {
  running: {
    pid: 1,
    api: { host: "0.0.0.0", port: 8080 },
    smtp: { host: "0.0.0.0", port: 25 },
    health: { host: "::1", port: 8081 },
    smtpName: "gate.example",
    maildir: "/data/mail",
    delivery: "maildir:/data/mail",
  },
  hasSettings: true,
  listeners: [shared],
  tokenPath: "/data/api-token",
  newToken: null,
  packageDir: "/srv/postern",
  dataDir: "/srv/postern/.data",
  defaultDataDir: "/srv/postern/.data",
  notes: [],
};

const tryLines = (screen: FirstScreen): string[] =>
  firstScreen(screen)
    .split("\n")
    .filter((line) => line.includes(" try "))
    .map((line) => line.trim());

describe("the first screen", () => {
  it("does not say that it is running while no settings could be read", () => {
    expect(firstScreen(SCREEN)).toMatch(/^Postern is running\.$/m);
    const text = firstScreen({ ...SCREEN, hasSettings: false });
    expect(text).not.toContain("is running");
    expect(text).toMatch(/^Postern has started WITHOUT SETTINGS/);
  });

  it("shows addresses that can be opened", () => {
    const text = firstScreen(SCREEN);
    expect(text).toContain("http://127.0.0.1:8080/docs");
    expect(text).toContain("http://[::1]:8081/ready");
    expect(text).toContain("0.0.0.0:25, as gate.example");
  });

  it("shows every other listener and what it is for", () => {
    const partners = { ...shared, name: "partners", port: 2526, domain: parseDomainName("partners.example") };
    const balancer = { ...shared, name: "balancer", address: "::", port: 2527, proxyProtocol: true };
    const text = firstScreen({ ...SCREEN, listeners: [shared, partners, balancer] });
    expect(text).toContain("0.0.0.0:2526 (partners, for partners.example)");
    expect(text).toContain("[::]:2527 (balancer, behind a proxy)");
  });

  it("shows the token only when it is new, and notes only when there are some", () => {
    expect(firstScreen(SCREEN)).not.toMatch(/shown this once|Note:/);
    const text = firstScreen({ ...SCREEN, newToken: "postern_abc", notes: ["look here"] });
    expect(text).toContain("postern_abc (shown this once)");
    expect(text).toContain("Note: look here");
  });

  it("has three lines that stay one word a path in every shell", () => {
    expect(tryLines(SCREEN)).toEqual([
      "npm --prefix /srv/postern run -s try domain",
      "npm --prefix /srv/postern run -s try plaintext",
      "npm --prefix /srv/postern run -s try tls",
    ]);
    const [line] = tryLines({ ...SCREEN, packageDir: "/my mail's/$HOME", dataDir: "/data dir" });
    expect(line).toBe(String.raw`npm --prefix '/my mail'\''s/$HOME' run -s try domain '/data dir'`);
  });
});
