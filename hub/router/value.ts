/**
 * Values of conditions, and what logic and order mean on them.
 *
 * `undefined` is the third truth value: what cannot be known. `null` is a value of its own: a property or
 * a body field that is there and holds nothing. Logic takes `null` for false, except that AND hands it on.
 */
import type { RouteMessage } from "./message.ts";
import type { ArithmeticOperator, ComparisonOperator } from "./syntax.ts";

export type Value = string | number | boolean | null | undefined;
export type Evaluate = (message: RouteMessage) => Value;
export type Predicate = (message: RouteMessage) => boolean;

/** What a whole condition must be for the message to match. */
export const isTrue = (value: Value): boolean => value === true;
/** What NOT turns into true. */
export const isFalse = (value: Value): boolean => value === false || value === null;

/** A number that cannot be told is undefined; infinity is a number like any other. */
export const defined = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value);

export function not(value: Value): boolean | undefined {
  if (isTrue(value)) return false;
  return isFalse(value) ? true : undefined;
}

/** Contract §3.5: null if one is; else false if one is; else true if all are. */
export function and(values: readonly Value[]): boolean | null | undefined {
  if (values.includes(null)) return null;
  if (values.includes(false)) return false;
  return values.every(isTrue) ? true : undefined;
}

/** True if one is; null and false give way to whatever else there is. */
export function or(values: readonly Value[]): boolean | null | undefined {
  if (values.includes(true)) return true;
  if (!values.every(isFalse)) return undefined;
  return values.includes(false) ? false : null;
}

type Known = Exclude<Value, undefined>;

/** Order of different types, which only a body can bring together: null, boolean, number, string. */
function rank(value: Known): number {
  if (value === null) return 0;
  if (typeof value === "boolean") return 1;
  return typeof value === "number" ? 2 : 3;
}

/** Is `left` before `right`? Strings by their UTF-16 units. */
function isLess(left: Known, right: Known): boolean {
  const difference = rank(left) - rank(right);
  if (difference !== 0) return difference < 0;
  return left !== null && right !== null && left < right;
}

export const COMPARISONS: Readonly<Record<ComparisonOperator, (a: Known, b: Known) => boolean>> = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => isLess(a, b),
  "<=": (a, b) => !isLess(b, a),
  ">": (a, b) => isLess(b, a),
  ">=": (a, b) => !isLess(a, b),
};

/** May yield NaN: see `defined`. */
export const ARITHMETIC: Readonly<Record<ArithmeticOperator, (a: number, b: number) => number>> = {
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
};

/** Longest string a condition may make, UTF-16 units: four times what a message can hold. */
const TEXT_LENGTH_MAX = 1024 * 1024;

/** Undefined when a part is, or is no string; null adds nothing. */
export function concatenate(values: readonly Value[]): string | undefined {
  let text = "";
  for (const value of values) {
    if (value === null) continue;
    if (typeof value !== "string" || text.length + value.length > TEXT_LENGTH_MAX) return undefined;
    text += value;
  }
  return text;
}
