/** The deployment's ACME directories: `ACME_DIRECTORIES`, and the keys that bind accounts. */

import { z } from "zod";
import { type VariableProblem, WrongEnvironment } from "../environment.ts";

/** A CA that certificates may be ordered from. Setting it says that its terms of service are agreed to. */
export interface AcmeDirectorySetting {
  readonly name: string;
  /** `https:`. */
  readonly url: string;
  /** `mailto:` URLs for the CA's notices. */
  readonly contact: readonly string[];
  /** Key identifier of external account binding; its HMAC key is a secret elsewhere. null = none. */
  readonly eabKeyId: string | null;
  /** Absolute path of the PEM file that the CA's own TLS certificate must lead to; null = public roots. */
  readonly caFile: string | null;
}

const MAX_DIRECTORIES = 20;
/** Pattern of the name of a directory. */
export const DIRECTORY_NAME = /^[a-z0-9-]{1,32}$/;

function isDirectoryUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return protocol === "https:" && username === "" && password === "" && hash === "";
}

const directorySchema = z.strictObject(
  {
    url: z
      .string("must be a URL")
      .max(512, "must be at most 512 characters")
      .refine(isDirectoryUrl, "must be an https URL without credentials and fragment"),
    contact: z
      .array(
        z
          .string()
          .max(256)
          .regex(/^mailto:[^\s@,?]+@[^\s@,?]+$/),
        "must be a list",
      )
      .max(5)
      .default([]),
    eabKeyId: z
      .string()
      .regex(/^[\x21-\x7e]{1,256}$/)
      .optional(),
    caFile: z
      .string()
      .max(4096)
      .regex(/^\/[^\0]*$/)
      .optional(),
  },
  { error: ({ code }) => (code === "unrecognized_keys" ? undefined : "must be an object") },
);

/** What each member must be, for its problems. */
const FORM: Readonly<Record<string, string>> = {
  contact: "must be a list of at most 5 mailto: URLs with one address each",
  eabKeyId: "must be 1 to 256 printable ASCII characters without blanks",
  caFile: "must be an absolute path",
};

const directoriesSchema = z
  .record(
    z.string().regex(DIRECTORY_NAME, "must be 1 to 32 of a-z 0-9 and -"),
    directorySchema,
    "must be a JSON object: name → { url, contact?, eabKeyId?, caFile? }",
  )
  .refine((directories) => Object.keys(directories).length <= MAX_DIRECTORIES, {
    message: `must hold at most ${String(MAX_DIRECTORIES)} directories`,
  });

/** Variable of the environment whose value is JSON; each problem has the place in the JSON. */
function jsonVariable<Value>(
  schema: z.ZodType<Value>,
): z.ZodPipe<z.ZodString, z.ZodTransform<Value, string>> {
  return z.string().transform((text, context): Value => {
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) context.addIssue({ code: "custom", message: reasonOf(issue) });
    return z.NEVER;
  });
}

/** undefined, which no schema here takes, when it is not JSON. The parser's message would quote a secret. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(issue: z.core.$ZodIssue): string {
  const [name, member] = issue.path.map(String);
  if (name === undefined) return issue.message;
  // A name may be anything, a secret too.
  if (!DIRECTORY_NAME.test(name)) return `the name of a directory ${NAME_FORM}`;
  if (issue.code === "unrecognized_keys")
    return `${name}: unknown member; known are url, contact, eabKeyId and caFile`;
  if (member === undefined) return `${name}: ${issue.message}`;
  return `${name}.${member} ${FORM[member] ?? issue.message}`;
}

const NAME_FORM = "must be 1 to 32 of a-z 0-9 and -";

/** Form of `ACME_DIRECTORIES`: the directories in the order of the JSON. */
export const acmeDirectoriesVariable = jsonVariable(directoriesSchema).transform(
  (directories): readonly AcmeDirectorySetting[] =>
    Object.entries(directories).map(([name, { url, contact, eabKeyId = null, caFile = null }]) => ({
      name,
      url,
      contact,
      eabKeyId,
      caFile,
    })),
);

/** Secret values. */
export type EabHmacKeys = Readonly<Record<string, Uint8Array>>;

/** CAs write their keys in base64url, some in base64, with padding or without; 128 bits at least. */
const HMAC_KEY = /^[\w+/-]{22,1024}={0,2}$/;

/** One HMAC key as a CA hands it out; undefined when it is not base64url of 16 octets or more. */
export const parseEabHmacKey = (text: string): Uint8Array | undefined =>
  HMAC_KEY.test(text) ? Buffer.from(text, "base64url") : undefined;

const HMAC_KEY_FORM = "must be base64url of 16 to 768 octets";

/** Form of `ACME_EAB_HMAC_KEYS`: name of the directory → key. */
export const acmeEabKeysVariable = jsonVariable(
  z.record(
    z.string().regex(DIRECTORY_NAME, NAME_FORM),
    z.string(HMAC_KEY_FORM).transform((text, context): Uint8Array => {
      const key = parseEabHmacKey(text);
      if (key !== undefined) return key;
      context.addIssue({ code: "custom", message: HMAC_KEY_FORM });
      return z.NEVER;
    }),
    "must be a JSON object: name of a directory → HMAC key",
  ),
);

/**
 * Checks that each directory with `eabKeyId` has its HMAC key, and each key its directory.
 *
 * @throws WrongEnvironment
 */
export function checkEabKeys(directories: readonly AcmeDirectorySetting[], keys: EabHmacKeys): void {
  const bound = directories.filter(({ eabKeyId }) => eabKeyId !== null).map(({ name }) => name);
  const problems: readonly VariableProblem[] = [
    ...bound
      .filter((name) => !Object.hasOwn(keys, name))
      .map((name) => ({
        variable: "ACME_EAB_HMAC_KEYS",
        reason: `has no key for ${name}, which has eabKeyId`,
      })),
    ...Object.keys(keys)
      .filter((name) => !bound.includes(name))
      .map((name) => ({
        variable: "ACME_EAB_HMAC_KEYS",
        reason: `has a key for ${name}, which is no directory with eabKeyId in ACME_DIRECTORIES`,
      })),
  ];
  if (problems.length > 0) throw new WrongEnvironment(problems);
}
