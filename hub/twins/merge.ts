/**
 * Merging a patch (contract §1.7): objects deeply, everything else is replaced, `null` deletes. Pure; the
 * result shares what did not change. Objects made here have no prototype, so that no key of a stranger means
 * anything (`__proto__`).
 */
import { isObject, isOwnKey, type JsonObject, type JsonValue } from "./limits.ts";

/** When and with which version a value was last written, for each key; leaves have nothing below them. */
export interface Metadata {
  readonly $lastUpdated: string;
  readonly $lastUpdatedVersion?: number;
  readonly [key: string]: Metadata | string | number | undefined;
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

const empty = <T extends object>(): Draft<T> => Object.create(null) as Draft<T>;
const copyOf = <T extends object>(of: T): Draft<T> => Object.assign(empty<T>(), of);

export const EMPTY: JsonObject = Object.freeze(empty<JsonObject>());

export function mergePatch(values: JsonObject, patch: JsonObject): JsonObject {
  const merged = copyOf(values);
  for (const [key, value] of Object.entries(patch)) {
    if (isOwnKey(key)) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergeValue(values[key], value);
  }
  return merged;
}

function mergeValue(old: JsonValue | undefined, value: JsonValue): JsonValue {
  // Also into nothing: what is new holds no nulls either.
  return isObject(value) ? mergePatch(isObject(old) ? old : EMPTY, value) : value;
}

/** The same for metadata: what the patch touched is stamped, up to the root; what it deleted is gone. */
export function stampPatch(metadata: Metadata, patch: JsonObject, stamp: Metadata): Metadata {
  const stamped = Object.assign(copyOf(metadata), stamp) as Record<string, Metadata | string | number>;
  for (const [key, value] of Object.entries(patch)) {
    if (isOwnKey(key)) continue;
    if (value === null) delete stamped[key];
    else stamped[key] = isObject(value) ? stampPatch(below(metadata, key), value, stamp) : stamp;
  }
  return stamped as Metadata;
}

function below(metadata: Metadata, key: string): Metadata {
  const found = metadata[key];
  return typeof found === "object" ? found : (EMPTY as unknown as Metadata);
}

/** The patch that turns `from` into `to`: what whoever missed changes has to be told. */
export function difference(from: JsonObject, to: JsonObject): JsonObject {
  const patch = empty<JsonObject>();
  for (const key of Object.keys(from)) if (to[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const old = from[key];
    if (isObject(old) && isObject(value)) {
      const inner = difference(old, value);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (JSON.stringify(old) !== JSON.stringify(value)) {
      patch[key] = value;
    }
  }
  return patch;
}

/** The patch that makes what a twin reports into what is to be reported; `null` when it is that already. */
export function reportedPatch(before: object, after: object): JsonObject | null {
  // Nulls delete, and are never there.
  const [from, to] = [before, after].map((values) => mergePatch(EMPTY, values as JsonObject));
  const patch = difference(from!, to!);
  return Object.keys(patch).length === 0 ? null : patch;
}
