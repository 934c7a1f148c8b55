/** JSON that people write: a syntax error has a place. */
import { SandpiperError } from "../abi/index.ts";

/** Codes: SP_JSON_SYNTAX. */
export class JsonSyntaxError extends SandpiperError {}

/** `file` is what the error calls the text. @throws {JsonSyntaxError} SP_JSON_SYNTAX, with line and column */
export function parseJsonText(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as SyntaxError;
    const lines = text.slice(0, positionOf(text, message)).split("\n");
    const place = `${file}:${lines.length}:${lines.at(-1)!.length + 1}`;
    // Some messages go on with a piece of the text, others with the position.
    const what = message.replace(/(?:, (?:\.\.\.)?".*"(?:\.\.\.)?| in JSON at position).*$/s, "");
    throw new JsonSyntaxError("SP_JSON_SYNTAX", `${place}: ${what}`, {
      hint: "the file must be JSON: double quotes, no comments, no comma after the last item",
      details: { file },
      cause,
    });
  }
}

/** Offset of what `message` complains of. Not every message says: then the shortest prefix that is as bad does. */
function positionOf(text: string, message: string): number {
  const stated = statedPosition(message, text.length);
  if (stated !== null) return stated;
  let [good, bad] = [0, text.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isOnlyUnfinished(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function statedPosition(message: string, length: number): number | null {
  const position = / at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  return message.startsWith("Unexpected end") ? length : null;
}

function isOnlyUnfinished(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const position = statedPosition((error as SyntaxError).message, prefix.length);
    return position !== null && position >= prefix.length;
  }
}
