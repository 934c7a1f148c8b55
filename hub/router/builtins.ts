/**
 * The functions of WHERE, as a table: a new one is a row. Each is total: whatever the body of a message
 * brings, the result is a value or `undefined`.
 */
import { concatenate, defined, type Value } from "./value.ts";

/** What the compiler knows of a value beforehand. Nothing is known of a body: `dynamic`. */
export type StaticType = "string" | "number" | "bool" | "null" | "undefined" | "dynamic";

/** Static types a parameter takes; `dynamic` fits everywhere. */
export type Parameter = readonly StaticType[];

export interface Builtin {
  readonly parameters: readonly Parameter[];
  /** How many of `parameters` must be given; default all. */
  readonly required?: number;
  /** The last parameter may be given any number of times. */
  readonly variadic?: boolean;
  readonly result: StaticType;
  readonly apply: (...values: Value[]) => Value;
}

/**
 * Longest text that is searched for, UTF-16 units. A search costs up to the product of both lengths, and a
 * device may be the one who chooses both.
 */
const NEEDLE_LENGTH_MAX = 256;
/** Longest text read as a number. */
const NUMERAL_LENGTH_MAX = 1024;
const NUMERAL = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

const NUMBER: Parameter = ["number"];
const STRING: Parameter = ["string"];
const ANY: Parameter = ["string", "number", "bool", "null", "undefined"];

const ofNumber = (apply: (x: number) => number): Builtin => ({
  parameters: [NUMBER],
  result: "number",
  apply: (x) => (typeof x === "number" ? defined(apply(x)) : undefined),
});

const ofString = (result: StaticType, apply: (text: string) => Value): Builtin => ({
  parameters: [STRING],
  result,
  apply: (text) => (typeof text === "string" ? apply(text) : undefined),
});

const ofStrings = (result: StaticType, apply: (text: string, part: string) => Value): Builtin => ({
  parameters: [STRING, STRING],
  result,
  apply: (text, part) =>
    typeof text === "string" && typeof part === "string" ? apply(text, part) : undefined,
});

const ofAny = (apply: (value: Value) => boolean): Builtin => ({ parameters: [ANY], result: "bool", apply });

/** By lower-case name; contract §3.6. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ["abs", ofNumber(Math.abs)],
  ["ceiling", ofNumber(Math.ceil)],
  ["exp", ofNumber(Math.exp)],
  ["floor", ofNumber(Math.floor)],
  ["sign", ofNumber(Math.sign)],
  ["sqrt", ofNumber(Math.sqrt)],
  ["square", ofNumber((x) => x * x)],
  ["power", { parameters: [NUMBER, NUMBER], result: "number", apply: power }],
  ["as_number", { parameters: [["string", "number"]], result: "number", apply: asNumber }],

  ["is_bool", ofAny((value) => typeof value === "boolean")],
  ["is_number", ofAny((value) => Number.isFinite(value))],
  ["is_string", ofAny((value) => typeof value === "string")],
  ["is_defined", ofAny((value) => value !== undefined)],
  ["is_null", ofAny((value) => value === null)],

  ["concat", { parameters: [STRING, STRING], variadic: true, result: "string", apply: concat }],
  ["length", ofString("number", (text) => text.length)],
  ["lower", ofString("string", (text) => text.toLowerCase())],
  ["upper", ofString("string", (text) => text.toUpperCase())],
  ["substring", { parameters: [STRING, NUMBER, NUMBER], required: 2, result: "string", apply: substring }],
  [
    "index_of",
    ofStrings(
      "number",
      search((text, part) => text.indexOf(part)),
    ),
  ],
  ["starts_with", ofStrings("bool", (text, part) => text.startsWith(part))],
  ["ends_with", ofStrings("bool", (text, part) => text.endsWith(part))],
  [
    "contains",
    ofStrings(
      "bool",
      search((text, part) => text.includes(part)),
    ),
  ],
]);

function power(base: Value, exponent: Value): Value {
  return typeof base === "number" && typeof exponent === "number" ? defined(base ** exponent) : undefined;
}

function asNumber(value: Value): Value {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.length > NUMERAL_LENGTH_MAX) return undefined;
  return NUMERAL.test(value) ? Number(value) : undefined;
}

function concat(...values: Value[]): Value {
  return concatenate(values);
}

/** With a length, the start must lie within the text; without, it may also be its end. Fractions are cut. */
function substring(text: Value, start: Value, ...rest: Value[]): Value {
  if (typeof text !== "string" || typeof start !== "number") return undefined;
  const from = Math.trunc(start);
  if (from < 0 || from > text.length) return undefined;
  if (rest.length === 0) return text.slice(from);
  const length = rest[0];
  if (typeof length !== "number") return undefined;
  const to = from + Math.trunc(length);
  return from === text.length || to < from || to > text.length ? undefined : text.slice(from, to);
}

function search(find: (text: string, part: string) => Value): (text: string, part: string) => Value {
  return (text, part) => (part.length > NEEDLE_LENGTH_MAX ? undefined : find(text, part));
}
