/**
 * Which keys of a document were written since some time: enough to bring whoever has it as it was then, or at any
 * moment since, up to date with one patch. The old values would not do: a key that came and went in between is
 * in neither, and one that has its old value again looks as if nobody had touched it.
 */
import { isObject, type JsonObject } from "./limits.ts";

/** Keys, and below them those of objects. Without prototypes, as the documents. */
export interface Touched {
  readonly [key: string]: Touched;
}

const empty = (): Record<string, Touched> => Object.create(null) as Record<string, Touched>;

export const UNTOUCHED: Touched = Object.freeze(empty());

/** After `patch` on `values`. */
export function touch(touched: Touched, patch: JsonObject, values: JsonObject): Touched {
  const after = Object.assign(empty(), touched);
  for (const [key, value] of Object.entries(patch)) {
    const old = values[key];
    const below = after[key] ?? UNTOUCHED;
    // An object that goes, or becomes something else, takes its keys with it: each of them is written.
    if (isObject(value)) after[key] = touch(below, value, isObject(old) ? old : {});
    else after[key] = isObject(old) ? touch(below, old, {}) : below;
  }
  return after;
}

/** The patch: what each touched key is now. */
export function patchFor(touched: Touched, values: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(touched).map(([key, below]) => {
      const value = values[key];
      return [key, isObject(value) ? patchFor(below, value) : (value ?? null)];
    }),
  );
}

/** Without the keys that are there no more. */
export function present(touched: Touched, values: JsonObject): Touched {
  const left = empty();
  for (const [key, below] of Object.entries(touched)) {
    const value = values[key];
    if (value !== undefined) left[key] = isObject(value) ? present(below, value) : UNTOUCHED;
  }
  return left;
}

/** Of a row. */
export const decodeTouched = (found: object): Touched => {
  const touched = empty();
  for (const [key, below] of Object.entries(found)) touched[key] = decodeTouched(below as object);
  return touched;
};
