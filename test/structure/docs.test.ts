import { type Reason, REASONS } from "../../core/policy/verdict.ts";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { ISSUE_CODES } from "../../core/issue-code.ts";
import { CAPS } from "../../core/limits.ts";
import { ACKNOWLEDGEABLE_CODES, isAcknowledgeable, WARNING_CODES } from "../../core/record/warning-code.ts";
import { LOCAL_VARIABLES } from "../../local/local-config.ts";
import { LIMIT_TABLE } from "../../worker/config/limits.ts";
import { VERDICT_REPLIES } from "../../core/smtp/replies.ts";
import openApi from "../../openapi.json" with { type: "json" };
import { readText, ROOT, sourceFiles } from "./source-files.ts";

const linesOf = (path: string): readonly string[] => readText(path).split("\n");
const withCode = (text: string): string => text.replaceAll(/<[a-z]+>/gu, "`$&`");

describe("docs/configuration.md", () => {
  it.each(Object.entries(LOCAL_VARIABLES))(
    "has the row of the variable %s",
    (name, { defaultText, meaning }) => {
      const row = `| \`${name}\` | ${defaultText} | ${withCode(meaning)} |`;
      expect(linesOf("docs/configuration.md")).toContain(row);
    },
  );

  it.each(Object.entries(LIMIT_TABLE))(
    "has the row of the limit %s",
    (name, { default: value, unit, reason }) => {
      const row = `| \`${name}\` | ${value} | ${unit} | ${reason} |`;
      expect(linesOf("docs/configuration.md")).toContain(row);
    },
  );

  it("names only existing variables and limits", () => {
    const named = linesOf("docs/configuration.md").flatMap(
      (line) => /^\| `(?<name>\w+)` \|/u.exec(line)?.groups?.["name"] ?? [],
    );
    const known = [...Object.keys(LOCAL_VARIABLES), ...Object.keys(LIMIT_TABLE)];
    expect(named).toEqual(known);
  });
});

/** Each reply of a reason as it begins: `550 5.7.1`. */
function repliesOf(reason: Reason): readonly string[] {
  const { reject, defer, circumstances } = VERDICT_REPLIES[reason];
  const replies = [reject, defer, ...Object.values(circumstances)];
  return replies.flatMap((reply) => (reply === null ? [] : [`${reply[0]} ${reply[1]}`]));
}

describe("every reason to refuse", () => {
  it.each(REASONS)("%s has its row in docs/tls-levels.md, in its place, with every reply", (reason) => {
    const rows = linesOf("docs/tls-levels.md").filter((line) =>
      line.startsWith(`| ${REASONS.indexOf(reason) + 1} | \`${reason}\` |`),
    );
    expect(rows).toHaveLength(1);
    const missing = repliesOf(reason).filter((reply) => rows[0]?.includes(`\`${reply}\``) !== true);
    expect(missing).toEqual([]);
  });

  it.each(REASONS)("%s has dialogs with every reply", (reason) => {
    const dialogs = sourceFiles(`test/dialog/verdict/${reason}*.dialog`);
    const heard = dialogs.map(({ text }) => text).join("\n");
    expect(repliesOf(reason).filter((reply) => !heard.includes(`S: ${reply}`))).toEqual([]);
  });
});

/** Of core/limits.ts: what docs/api.md calls each cap. The sizes of a page are in its section of lists. */
const CAP_NAMES = {
  requestBytes: "body of a request",
  domainRecordBytes: "record of a domain",
  batchItems: "items of a batch",
  mxHosts: "`mxHosts` of a domain",
  exceptions: "exceptions of a domain",
  allowedNames: "allowed names of a client certificate",
  pins: "pins",
  trustStoreIds: "trust stores of a domain",
  certificatePemBytes: "PEM of a certificate and its chain",
  certificatesInPem: "certificates in it",
  pkcs12Bytes: "PKCS #12 file",
  trustStoreBytes: "certificates of a trust store",
  trustStoreCertificates: "number of them",
  crlBytes: "CRLs of a trust store",
  pageBytes: "items of a page, unless it has one alone",
  labelCharacters: "characters of a `label`",
  labels: "`labels` of a record",
  labelValueCharacters: "characters of a label's value",
  reasonCharacters: "characters of an exception's reason",
  certificateNames: "dNSNames of an uploaded certificate",
  selfSignedNames: "names of a self-signed certificate",
  orderedNames: "names of an order at a CA or of a signing request",
  orderedNamesBytes: "all these names together",
  acmNames: "names of a certificate of ACM",
  quota: "a quota of an account",
  waits: "requests of one process that [wait](#is-it-in-force) at a time",
  waitsOfTenants: "of these, of all accounts but the operator's",
  waitsOfAccount: "of one account",
  waitsOfCaller: "of one caller",
} satisfies Record<Exclude<keyof typeof CAPS, "pageSize" | "defaultPageSize">, string>;

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Methods of a path in openapi.json. */
const methodsAt = (path: string): readonly string[] =>
  Object.keys(Object.entries(openApi.paths).find(([each]) => each === path)?.[1] ?? {}).map((method) =>
    method.toUpperCase(),
  );

describe("docs/api.md", () => {
  const [, resources = ""] = readText("docs/api.md").split("\n## Resources\n");
  const tableRows = (/(?:^\|.*\n)+/mu.exec(resources)?.[0] ?? "").trimEnd().split("\n").slice(2);
  const resourceRows = tableRows.map((row) => {
    const [, paths = "", methods = ""] = row.split("|").map((column) => column.trim());
    return {
      paths: [...paths.matchAll(/`(?<path>[^`]+)`/gu)].flatMap(({ groups }) => groups?.["path"] ?? []),
      methods: methods.split(", "),
    };
  });

  it("has every path of openapi.json in its table of resources, and no other", () => {
    const served = Object.keys(openApi.paths).filter((path) => !path.startsWith("/."));
    const named = resourceRows.flatMap(({ paths }) => paths);
    expect(named.toSorted((a, b) => a.localeCompare(b))).toEqual(
      served.toSorted((a, b) => a.localeCompare(b)),
    );
  });

  it.each(resourceRows)("has the methods of $paths", ({ paths, methods }) => {
    const served = new Set(paths.flatMap((path) => methodsAt(path)));
    expect(methods).toEqual(METHODS.filter((method) => served.has(method)));
  });

  it("has a row for each cap, and no other", () => {
    const [, section = ""] = readText("docs/api.md").split("\n## Caps\n");
    const rows = /(?:^\|.*\n)+/mu.exec(section)?.[0].trimEnd().split("\n").slice(2);
    const expected = Object.entries(CAP_NAMES).map(([key, name]) => {
      const cap = CAPS[key as keyof typeof CAP_NAMES].toLocaleString("en-US");
      return `| ${name} | ${cap}${key.endsWith("Bytes") ? " bytes" : ""} |`;
    });
    expect(rows).toEqual(expected);
  });

  it("has the sizes of a page", () => {
    expect(readText("docs/api.md")).toContain(
      `\`limit\` (1 to ${CAPS.pageSize}; ${CAPS.defaultPageSize} without it)`,
    );
  });

  it("names exactly the warnings that can be acknowledged", () => {
    const [, section = ""] = readText("docs/api.md").split("\n## Warnings\n");
    const [, list = ""] = /These are (?<list>[^.]+)\./u.exec(section) ?? [];
    const named = [...list.matchAll(/`(?<code>[^`]+)`/gu)].map(({ groups }) => groups?.["code"]);
    expect(named).toEqual([...ACKNOWLEDGEABLE_CODES]);
  });
});

describe("docs/warnings.md", () => {
  it("has a row for each warning, in its order, with whether it can be acknowledged, and no other", () => {
    const rows = linesOf("docs/warnings.md").flatMap((line) => {
      const [, code, acknowledged] = /^\| `([a-z0-9-]+)` \| .{10,} \| (yes|no) \|$/u.exec(line) ?? [];
      return code === undefined ? [] : [`${code} ${String(acknowledged)}`];
    });
    expect(rows).toEqual(WARNING_CODES.map((code) => `${code} ${isAcknowledgeable(code) ? "yes" : "no"}`));
  });
});

describe("every code of a mistake in a request", () => {
  const page = linesOf("docs/error-codes.md");

  it.each(Object.entries(ISSUE_CODES))(
    "%s has its row in docs/error-codes.md, in its place",
    (code, meaning) => {
      expect(page).toContain(`| \`${code}\` | ${meaning} |`);
    },
  );

  it("is in core/issue-code.ts where docs/error-codes.md names it", () => {
    const named = page.flatMap((line) => /^\| `(?<code>[a-z-]+)` \|/u.exec(line)?.groups?.["code"] ?? []);
    expect(named).toEqual(Object.keys(ISSUE_CODES));
  });

  it("is used: remove a code that no request can cause from core/issue-code.ts", () => {
    const rooms = sourceFiles("{core,adapters,functions,worker,local}/**/*.ts");
    const code = rooms
      .filter(({ path }) => path !== "core/issue-code.ts" && !path.endsWith(".test.ts"))
      .map(({ text }) => text)
      .join("\n");
    expect(Object.keys(ISSUE_CODES).filter((each) => !code.includes(`"${each}"`))).toEqual([]);
  });
});

describe("docs/threats.md", () => {
  const named = linesOf("docs/threats.md").flatMap((line) => {
    const columns = line.split("|").map((column) => column.trim());
    return columns.length === 5 ? [...(columns[3] ?? "").matchAll(/`(?<path>[^`]+)`/gu)] : [];
  });
  const paths = [...new Set(named.map(({ groups }) => groups?.["path"] ?? ""))];

  it("names a test, or several, for each threat", () => {
    const threats = linesOf("docs/threats.md").filter((line) => /^\| (?!threat|-)/u.test(line));
    expect(threats.length).toBeGreaterThan(20);
    expect(threats.filter((line) => !/\| `[^|]+ \|$/u.test(line))).toEqual([]);
  });

  it.each(paths)("names %s, which exists", (path) => {
    expect(existsSync(join(ROOT, path))).toBe(true);
  });
});

describe("paths that our pages name", () => {
  const pages = sourceFiles("*.md", "docs/**/*.md", "test/**/*.md");
  const named = pages.flatMap(({ path, text }) =>
    [
      ...text.matchAll(
        /`(?<named>(?:core|adapters|functions|worker|local|sdk|cli|test|docs|scripts|[.]ci)\/[^`*{}\s]+)`/gu,
      ),
    ].map(({ groups }) => ({ path, named: groups?.["named"] ?? "" })),
  );

  it("are many", () => {
    expect(named.length).toBeGreaterThan(60);
  });

  it("are there", () => {
    expect(named.filter((place) => !existsSync(join(ROOT, place.named)))).toEqual([]);
  });
});

describe("README.md", () => {
  it.each(sourceFiles("docs/*.md").map(({ path }) => path))("leads to %s", (path) => {
    expect(readText("README.md")).toContain(`](${path})`);
  });

  it("names only existing scripts", () => {
    const { scripts } = JSON.parse(readText("package.json")) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const pages = sourceFiles("*.md", "docs/**/*.md").map(({ text }) => text);
    const named = pages.flatMap((text) =>
      [
        ...text.matchAll(
          /npm (?:run (?:-s )?)?(?<script>start|test|try|dev|format|check[:\w]*|test:\w+)\b/gu,
        ),
      ].map(({ groups }) => groups?.["script"] ?? ""),
    );
    expect(new Set(named).size).toBeGreaterThan(4);
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
  });
});

describe("links between our pages", () => {
  const pages = sourceFiles("*.md", "docs/**/*.md");
  const links = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:)(?<target>[^)#\s]+)?(?:#(?<anchor>[^)\s]+))?\)/gu)].map(
      ({ groups }) => ({
        path,
        target: groups?.["target"] === undefined ? path : normalize(join(dirname(path), groups["target"])),
        anchor: groups?.["anchor"],
      }),
    ),
  );

  it("exist", () => {
    expect(links.length).toBeGreaterThan(5);
  });

  it.each(links)("$path leads to $target $anchor", ({ target, anchor }) => {
    expect(existsSync(join(ROOT, target))).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(path: string): readonly string[] {
  return linesOf(path)
    .filter((line) => /^#+ /u.test(line))
    .map((line) =>
      line
        .replace(/^#+ /u, "")
        .toLowerCase()
        .replaceAll(/[^\w\- ]/gu, "")
        .replaceAll(" ", "-"),
    );
}
