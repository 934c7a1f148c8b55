/** Files that hold a secret: for their owner alone (0600), and refused when they are not, for who knows who has it. */
import { readFile, stat } from "node:fs/promises";

const OTHERS = 0o077;

/** What is wrong with the file, and what to do. */
export type SecretFault = (what: string, hint: string, cause?: unknown) => Error;

/** The text in it; `null`: there is none. @throws what `fault` makes */
export async function readSecretFile(file: string, fault: SecretFault): Promise<string | null> {
  let mode: number;
  let text: string;
  try {
    ({ mode } = await stat(file));
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw fault(`cannot be read: ${message}`, "run the gateway as the user that it belongs to", cause);
  }
  if ((mode & OTHERS) === 0) return text;
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  throw fault(`has mode ${octal}, others may read it`, `chmod 600 ${file}`);
}
