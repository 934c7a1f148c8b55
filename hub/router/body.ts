/**
 * Bodies as conditions see them: JSON, when the sender says so, and one scalar picked out by a path.
 */
import type { BodyPath } from "./syntax.ts";
import type { Value } from "./value.ts";

const JSON_TYPE = "application/json";

/**
 * Contract §3.4: both properties are needed, in any case. Never throws; `undefined` stands for every reason
 * not to have a value.
 */
export function parseBody(
  contentType: string | null | undefined,
  contentEncoding: string | null | undefined,
  bytes: Buffer,
): unknown {
  if (contentType?.toLowerCase() !== JSON_TYPE) return undefined;
  const text = decodeText(contentEncoding?.toLowerCase(), bytes);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Little endian unless a byte order mark says otherwise; the mark itself is dropped. */
function decodeText(encoding: string | undefined, bytes: Buffer): string | undefined {
  switch (encoding) {
    case "utf-8":
      return withoutMark(bytes.toString("utf8"));
    case "utf-16": {
      const whole = bytes.subarray(0, bytes.length & ~1);
      const isBigEndian = whole[0] === 0xfe && whole[1] === 0xff;
      return withoutMark((isBigEndian ? Buffer.from(whole).swap16() : whole).toString("utf16le"));
    }
    case "utf-32":
      return decodeUtf32(bytes);
    default:
      return undefined;
  }
}

function decodeUtf32(bytes: Buffer): string | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const isBigEndian = bytes.length > 0 && bytes.readUInt32BE(0) === 0xfeff;
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const point = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    if (point > 0x10ffff) return undefined;
    text += String.fromCodePoint(point);
  }
  return withoutMark(text);
}

const withoutMark = (text: string): string => (text.startsWith("\ufeff") ? text.slice(1) : text);

/**
 * The scalar at `path`. What is missing is `null`; objects, arrays, and whatever would lie below a scalar
 * are `undefined`. A string is a string, whether or not it looks like a date.
 */
export function scalarAt(root: unknown, path: BodyPath): Value {
  if (root === undefined) return undefined;
  let value: unknown = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) !== (typeof step === "number")) return null;
    // Own keys only: `__proto__` and its like are names as any other.
    if (!Object.hasOwn(value, step)) return null;
    value = (value as Record<string | number, unknown>)[step];
  }
  return typeof value === "object" && value !== null ? undefined : (value as Value);
}
