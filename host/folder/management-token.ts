/**
 * `management.token`: what whoever asks over the management port has to show. Made when there is a port and no file;
 * without the file, the next start makes another, and the old one counts no more.
 */
import { randomBytes } from "node:crypto";
import { writeDurable } from "../artifacts/durable-file.ts";
import { TokenFileError } from "../errors.ts";
import { readSecretFile } from "./secret-file.ts";

const TOKEN_BYTES = 32;
/** base64url, and a line end. */
const TEXT = /^([A-Za-z0-9_-]{43,256})\n?$/;

/** @throws {TokenFileError} SP_TOKEN_FILE */
export async function takeManagementToken(file: string): Promise<string> {
  const fault = (what: string, hint: string, cause?: unknown): TokenFileError =>
    new TokenFileError("SP_TOKEN_FILE", `"${file}" ${what}`, { hint, details: { file }, cause });
  const text = await readSecretFile(file, fault);
  if (text !== null) {
    const token = TEXT.exec(text)?.[1];
    if (token !== undefined) return token;
    throw fault("does not hold a token", "remove it: the gateway makes a new one when it starts");
  }
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  await writeDurable(file, `${token}\n`);
  return token;
}
