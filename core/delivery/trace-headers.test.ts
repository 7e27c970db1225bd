import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDomainName } from "../name/domain-name.ts";
import {
  clientStatement,
  posternTlsHeader,
  type ReceivedFacts,
  receivedHeader,
  type TlsStatement,
} from "./trace-headers.ts";

const domain = parseDomainName("example.com");
const facts: ReceivedFacts = {
  helo: "client.example",
  extended: true,
  clientAddress: "192.0.2.7",
  serverName: "mx.postern.example",
  cipher: null,
  smtpUtf8: false,
  id: "01JABC",
  recipients: [{ localPart: "a", domain }],
  receivedAtMs: Date.UTC(2026, 10, 24, 3, 40, 0),
};
const statement: TlsStatement = {
  tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", sni: "mx.example.com" },
  client: "verified",
  subjectName: "client.example",
  revision: 17,
};
const unfolded = (header: string): string => header.replaceAll("\r\n ", " ");

describe("the Received field", () => {
  it("names client, server, protocol, cipher, the one recipient and the time (RFC 5321 section 4.4)", () => {
    const header = receivedHeader({ ...facts, cipher: "TLS_AES_256_GCM_SHA384" });
    expect(unfolded(header)).toBe(
      "Received: from client.example ([192.0.2.7]) by mx.postern.example (Postern) with ESMTPS id 01JABC " +
        "for <a@example.com> tls TLS_AES_256_GCM_SHA384; Tue, 24 Nov 2026 03:40:00 +0000\r\n",
    );
  });

  it("is folded under 78 columns", () => {
    for (const line of receivedHeader(facts).split("\r\n")) expect(line.length).toBeLessThanOrEqual(78);
  });

  it.each([
    [{ extended: false }, "SMTP"],
    [{}, "ESMTP"],
    [{ cipher: "X" }, "ESMTPS"],
    [{ smtpUtf8: true }, "UTF8SMTP"],
    [{ smtpUtf8: true, cipher: "X" }, "UTF8SMTPS"],
  ])("given %j says with %s", (change, protocol) => {
    expect(unfolded(receivedHeader({ ...facts, ...change }))).toContain(` with ${protocol} id `);
  });

  it.each([
    ["2001:DB8::1", "([IPv6:2001:db8::1])"],
    ["::ffff:192.0.2.1", "([192.0.2.1])"],
    ["no address\r\n", "([0.0.0.0])"],
  ])("writes the client address %s as %s", (clientAddress, literal) => {
    expect(unfolded(receivedHeader({ ...facts, clientAddress }))).toContain(literal);
  });

  it.each([
    ["[192.0.2.1]", "[192.0.2.1]"],
    ["[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"],
    ["[192.0.2.999]", "?192.0.2.999?"],
    ["a b ([10.0.0.1]) by x; c", "a?b???10.0.0.1???by?x??c"],
    ["x\r\nPostern-TLS: client=verified", "x??Postern-TLS??client?verified"],
    ["", "unknown"],
  ])("writes EHLO %j as %s", (helo, text) => {
    expect(unfolded(receivedHeader({ ...facts, helo }))).toContain(`from ${text} ([192.0.2.7])`);
  });

  it.each([
    [
      "two recipients",
      {
        recipients: [
          { localPart: "a", domain },
          { localPart: "b", domain },
        ],
      },
    ],
    ["a quoted local part", { recipients: [{ localPart: '"a; b"', domain }] }],
    ["UTF-8 without SMTPUTF8", { recipients: [{ localPart: "grün", domain }] }],
    ["a line end", { smtpUtf8: true, recipients: [{ localPart: "a\u0085b", domain }] }],
    ["half a character", { smtpUtf8: true, recipients: [{ localPart: "a\ud800", domain }] }],
  ])("leaves the recipient out when it is %s", (_, change) => {
    expect(receivedHeader({ ...facts, ...change })).not.toMatch(/\bfor\b/);
  });

  it("shows a UTF-8 recipient under SMTPUTF8", () => {
    const header = receivedHeader({ ...facts, smtpUtf8: true, recipients: [{ localPart: "grün", domain }] });
    expect(header).toContain("for <grün@example.com>");
  });
});

describe("the Postern-TLS field", () => {
  it("states version, cipher, SNI, client verdict, subject name and revision", () => {
    expect(unfolded(posternTlsHeader(statement))).toBe(
      "Postern-TLS: version=TLSv1.3; cipher=TLS_AES_256_GCM_SHA384; sni=mx.example.com; client=verified; " +
        'subject="client.example"; revision=17\r\n',
    );
  });

  it("says of plaintext that there was none", () => {
    const header = posternTlsHeader({ tls: null, client: "not-requested", subjectName: null, revision: 3 });
    expect(header).toBe("Postern-TLS: version=none; client=not-requested; revision=3\r\n");
  });

  it.each(["not-stated", "untrusted", "name", "purpose", "none", "not-judged"] as const)(
    "names no subject when the client is %s",
    (client) => {
      expect(posternTlsHeader({ ...statement, client })).not.toContain("subject");
    },
  );

  it.each([
    ['a"; client=x', '"a%22;%20client=x"'],
    ["a%b\\c", '"a%25b%5Cc"'],
    ["a\r\nb\0", '"a%0D%0Ab%00"'],
    ["grün", '"gr%C3%BCn"'],
  ])("writes the subject %j as %s", (subjectName, text) => {
    expect(unfolded(posternTlsHeader({ ...statement, subjectName }))).toContain(`subject=${text};`);
  });

  it("leaves out a subject that is too long to be a name, since a cut one would be another name", () => {
    expect(posternTlsHeader({ ...statement, subjectName: "a".repeat(256) })).not.toContain("subject");
  });
});

describe("the statement about the client", () => {
  const other = parseDomainName("example.net");

  it("is the verdict when all recipients share it", () => {
    const one = { domain, clientCertificate: "verified" } as const;
    expect(clientStatement([one, one])).toBe("verified");
  });

  it("is not stated for recipients of several domains, even when their verdicts are equal", () => {
    const verdicts = [domain, other].map(
      (name) => ({ domain: name, clientCertificate: "verified" }) as const,
    );
    expect(clientStatement(verdicts)).toBe("not-stated");
    const [first] = verdicts;
    expect(first && clientStatement([first, ...verdicts])).toBe("not-stated");
  });

  it("is not stated when two recipients of one domain were judged differently, or there is none", () => {
    const verdicts = (["verified", "untrusted"] as const).map((clientCertificate) => ({
      domain,
      clientCertificate,
    }));
    expect(clientStatement(verdicts)).toBe("not-stated");
    expect(clientStatement([])).toBe("not-stated");
  });
});

describe("whatever a client sends", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 1200 }),
    fc
      .array(
        fc.constantFrom(
          "\r\n",
          "\n",
          "\r",
          "\0",
          "a",
          " ",
          "\t",
          ":",
          ";",
          "(",
          ")",
          "[",
          "]",
          '"',
          "\\",
          "\u2028",
          "\ud800",
          "é",
          "%",
          "Postern-TLS: x",
        ),
        { maxLength: 60 },
      )
      .map((parts) => parts.join("")),
  );

  it("is one folded field under 998 octets a line, in printable ASCII, and UTF-8 only in the recipient under SMTPUTF8", () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, fc.boolean(), (a, b, c, smtpUtf8) => {
        const header = receivedHeader({
          ...facts,
          helo: a,
          clientAddress: b,
          serverName: c,
          id: a,
          cipher: b,
          smtpUtf8,
          recipients: [{ localPart: c, domain }],
        });
        expect(header).toMatch(/^Received: [^\r\n]*(?:\r\n [^\r\n ][^\r\n]*)*\r\n$/);
        if (smtpUtf8) expect(header.replaceAll("\r\n", "")).not.toMatch(/[\p{C}\u2028\u2029]/u);
        else expect(header.replaceAll("\r\n", "")).toMatch(/^[\x20-\x7e]*$/);
        for (const line of header.split("\r\n")) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
        expect(Buffer.from(header, "utf8").toString("utf8")).toBe(header);
        expect(unfolded(header).match(/ with | id |; \w{3}, /g)).toHaveLength(3);
      }),
    );
  });

  it("leaves Postern-TLS with exactly the pairs that were meant", () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        const header = posternTlsHeader({
          tls: { protocol: a, cipher: b, sni: c },
          client: "verified",
          subjectName: a,
          revision: 1,
        });
        expect(header.replaceAll("\r\n", "")).toMatch(/^[\x20-\x7e]*$/);
        expect(unfolded(header)).toMatch(
          /^Postern-TLS: version=[\w.?-]+; cipher=[\w.?-]+; sni=[\w.?-]+; client=verified;(?: subject="[^"\\ ]*";)? revision=1\r\n$/,
        );
        for (const line of header.split("\r\n")) expect(line.length).toBeLessThanOrEqual(998);
      }),
    );
  });
});
