/** JSON on the command line: itself, or the name of a file that holds it. */
import { readBytes } from "../files.ts";

/** Larger ones are no twin and no payload. */
const JSON_BYTES_MAX = 1024 * 1024;

/** Text that begins as JSON does is JSON; any other is a file. */
const LOOKS_LIKE_JSON = /^\s*(?:[{["\d-]|true$|false$|null$)/;

export async function readJsonArgument(text: string, what: string): Promise<unknown> {
  const { parseJsonText } = await import("../../host/index.ts");
  if (LOOKS_LIKE_JSON.test(text)) return parseJsonText(text, what);
  return parseJsonText((await readBytes(text, JSON_BYTES_MAX)).toString("utf8"), text);
}
