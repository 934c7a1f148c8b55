/**
 * What a twin may hold (contract §9). Judged before anything is merged: a patch is taken whole or refused
 * whole, with the place in it that is wrong.
 */
import { SandpiperError } from "../../abi/index.ts";

/** Bytes of a section as JSON, without `$version` and metadata. */
export const SECTION_BYTES_MAX = { desired: 32 * 1024, reported: 32 * 1024, tags: 8 * 1024 } as const;
export type SectionName = keyof typeof SECTION_BYTES_MAX;

/** Objects within objects, the section itself not counted. */
export const DEPTH_MAX = 10;
/** Arrays within arrays: an array is no object to the contract, and must have some end all the same. */
export const ARRAYS_MAX = 10;
const KEY_BYTES_MAX = 1024;
const STRING_BYTES_MAX = 4096;
/** 2^52: what every client can hold exactly. */
const INTEGER_MAX = 2 ** 52 - 1;
const INTEGER_MIN = -(2 ** 52);
/** `.`, `$`, `#`, blank and control characters: they mean something in paths and queries. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN_IN_KEY = /[.$# \u0000-\u001f\u007f-\u009f]/;

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** Code: SP_TWIN_INVALID. `details.path` is the place, as `a.b[2]`. */
export class TwinError extends SandpiperError {
  constructor(section: SectionName, path: string, what: string) {
    super("SP_TWIN_INVALID", `twin: ${section}${path === "" ? "" : ` "${path}"`}: ${what}`, {
      details: { section, path },
      hint: `at most ${DEPTH_MAX} objects deep, keys without . $ # and blanks, texts of ${STRING_BYTES_MAX} bytes`,
    });
  }
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A patch as parsed from JSON: an object whose `null`s delete. Keys of ours (`$version`, `$metadata`) are
 * ignored at its root, since clients send back what they were sent. @throws {TwinError}
 */
export function checkPatch(section: SectionName, patch: unknown): asserts patch is JsonObject {
  if (!isObject(patch)) throw new TwinError(section, "", "must be a JSON object");
  for (const [key, value] of Object.entries(patch)) {
    if (!isOwnKey(key)) checkMember(section, key, key, value, 1);
  }
}

/** Desired properties as a whole, as a deployment has them. @throws {TwinError} */
export function checkDesired(values: unknown): asserts values is JsonObject {
  checkPatch("desired", values);
  checkSize("desired", values);
}

/** Keys that are the hub's to write. */
export const isOwnKey = (key: string): boolean => key === "$version" || key === "$metadata";

function checkMember(section: SectionName, path: string, key: string, value: JsonValue, depth: number): void {
  if (key === "" || Buffer.byteLength(key) > KEY_BYTES_MAX || FORBIDDEN_IN_KEY.test(key)) {
    throw new TwinError(section, path, "key is empty, too long, or has one of . $ # or a blank");
  }
  if (value !== null) checkValue(section, path, value, depth);
}

function checkValue(section: SectionName, path: string, value: JsonValue, depth: number, arrays = 0): void {
  if (typeof value === "string" && Buffer.byteLength(value) > STRING_BYTES_MAX) {
    throw new TwinError(section, path, `text has more than ${STRING_BYTES_MAX} bytes`);
  }
  if (typeof value === "number") checkNumber(section, path, value);
  if (typeof value !== "object" || value === null) return;
  if (depth > DEPTH_MAX) throw new TwinError(section, path, `is more than ${DEPTH_MAX} objects deep`);
  if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      checkMember(section, `${path}.${key}`, key, member, depth + 1);
    }
    return;
  }
  if (arrays >= ARRAYS_MAX)
    throw new TwinError(section, path, `has more than ${ARRAYS_MAX} arrays in arrays`);
  for (const [i, member] of value.entries()) {
    if (member === null) throw new TwinError(section, `${path}[${i}]`, "an array holds null");
    checkValue(section, `${path}[${i}]`, member, depth, arrays + 1);
  }
}

function checkNumber(section: SectionName, path: string, value: number): void {
  if (!Number.isInteger(value) || (value >= INTEGER_MIN && value <= INTEGER_MAX)) return;
  throw new TwinError(section, path, `integer ${value} is beyond 2^52`);
}

/** After the merge: patches that each fit may add up. @throws {TwinError} */
export function checkSize(section: SectionName, values: JsonObject): void {
  const bytes = Buffer.byteLength(JSON.stringify(values));
  const bytesMax = SECTION_BYTES_MAX[section];
  if (bytes > bytesMax) throw new TwinError(section, "", `would have ${bytes} bytes, at most ${bytesMax}`);
}
