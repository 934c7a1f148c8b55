/** JSON that people write: a syntax error has a place. */
import { SandpiperError } from "../abi/index.ts";

/** Codes: SP_JSON_SYNTAX. */
export class JsonSyntaxError extends SandpiperError {}

/** `file` is what the error calls the text. @throws {JsonSyntaxError} SP_JSON_SYNTAX, with line and column */
export function parseJsonText(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    // Without a position the text ended too early.
    const position = /at position (\d+)/.exec(message)?.[1] ?? text.length;
    const lines = text.slice(0, Number(position)).split("\n");
    const place = `${file}:${lines.length}:${lines.at(-1)!.length + 1}`;
    throw new JsonSyntaxError("SP_JSON_SYNTAX", `${place}: ${message}`, {
      hint: "the file must be JSON: double quotes, no comments, no comma after the last item",
      details: { file },
      cause,
    });
  }
}
