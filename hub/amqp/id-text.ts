/** Message and correlation ids as text: what pairs an answer with its question, whatever type each has. */
import { contentStart, isText, skipValue, TYPE } from "./value.ts";

/** Lower case; a uuid in its usual form. `bytes`: one encoded value. */
export function idText(bytes: Buffer, at = 0): string {
  const code = bytes[at]!;
  if (isText(code))
    return bytes.toString("utf8", contentStart(bytes, at), skipValue(bytes, at)).toLowerCase();
  if (code === TYPE.UUID) return uuidText(bytes, at + 1);
  return bytes.toString("hex", at, skipValue(bytes, at));
}

export function uuidText(bytes: Buffer, at: number): string {
  const hex = bytes.toString("hex", at, at + 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
