import type { Context, OptionSpec } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import type { Input } from "../frame/input.ts";
import { MAX_DOCUMENT_BYTES, readText } from "./json-document.ts";

/** Files of a certificate that is uploaded. */
export const MATERIAL_OPTIONS: readonly OptionSpec[] = [
  { flags: "--key <file>", about: "private key as PEM, if the first file lacks it" },
  { flags: "--chain <file>", about: "intermediates as PEM, if the first file lacks them" },
  {
    flags: "--passphrase-file <file>",
    about: "passphrase of the key; - = stdin, left out = asked for on the terminal",
  },
];

/** A file is an argument, or the value of this. */
export const fileOption = (about: string): OptionSpec => ({ flags: "--file <file>", about });

/** The file that the command line names. @throws CommandError for none or two */
export function givenFile(input: Input): string {
  const [argument, option] = [input.optionalArgument("file"), input.text("file")];
  if (argument !== undefined && option !== undefined)
    throw new CommandError(`two files are given: ${argument} and ${option}`);
  const file = argument ?? option;
  if (file === undefined)
    throw new CommandError("the file is missing", { hint: "Give it as an argument, or with --file." });
  return file;
}

/** First byte of DER, with which PKCS #12 begins. */
const DER_SEQUENCE = 0x30;
const PEM = /-----BEGIN /u;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/mu;

/** What the API takes as PEM or PKCS #12, from the files that the options name. */
export async function readMaterial(context: Context, path: string): Promise<object> {
  const bytes = await context.effects.files.readBytes(path, MAX_DOCUMENT_BYTES);
  const text = new TextDecoder().decode(bytes);
  if (PEM.test(text)) return pemMaterial(context, text);
  if (bytes[0] !== DER_SEQUENCE)
    throw new CommandError(`${path} is neither PEM nor PKCS #12`, {
      hint: "PEM has a line -----BEGIN CERTIFICATE-----.",
    });
  const passphrase = await passphraseOf(context, path);
  return { source: "pkcs12", pkcs12: Buffer.from(bytes).toString("base64"), passphrase };
}

async function pemMaterial(context: Context, certificatePem: string): Promise<object> {
  const { input } = context;
  const keyPath = input.text("key");
  const chainPath = input.text("chain");
  const privateKeyPem = keyPath === undefined ? undefined : await readText(context, keyPath);
  const chainPem = chainPath === undefined ? undefined : await readText(context, chainPath);
  const isEncrypted = ENCRYPTED.test(privateKeyPem ?? certificatePem);
  const privateKeyPassphrase = isEncrypted ? await passphraseOf(context, keyPath ?? "the key") : undefined;
  // JSON leaves out what is undefined.
  return { source: "pem", certificatePem, privateKeyPem, chainPem, privateKeyPassphrase };
}

async function passphraseOf(context: Context, name: string): Promise<string> {
  const { input, effects } = context;
  const file = input.text("passphraseFile");
  if (file !== undefined) return (await readText(context, file)).replace(/\r?\n$/u, "");
  if (effects.stdin.isTerminal) return effects.stdin.ask(`Passphrase of ${name}: `, true);
  throw new CommandError(`${name} needs a passphrase`, { hint: "Give --passphrase-file." });
}
