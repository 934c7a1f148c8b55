/** Random expressions and messages, from a seed that is printed and accepted back as `SEED`. */
import { Buffer } from "node:buffer";
import { encodeProperties, PROPERTY, PROPERTY_TYPE } from "../../../abi/index.ts";
import type { Block } from "../../../abi/index.ts";
import { rawFrame, TableMessage } from "./messages.ts";

export function seed(): number {
  const value = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`SEED=${value}`);
  return value;
}

/** xorshift32. */
export class Random {
  #state: number;

  constructor(from: number) {
    this.#state = (from ^ 0x9e3779b9) | 1;
  }

  /** Integer in `[0, n)`. */
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

const NAMES = ["a", "b", "c", "Level", "ä"];
const BODY_PATHS = [
  "$body.a",
  "$body.b.c",
  "$body.list[1]",
  "$body.list[0].x",
  "$body.missing",
  "$body",
  "$body[0]",
];
const STRINGS = ["''", "'a'", '"10"', "'-1e400'", "'ä😀'", String.raw`'\ud800'`];
const NUMBERS = ["0", "1", "2.5", "0x10", "1e400", "(-1)", "(0 % 0)"];

type Type = "bool" | "number" | "string";

/** Text of an expression of about the static type; some do not compile, which is fine. */
export function randomExpression(random: Random, type: Type, depth: number): string {
  if (random.below(12) === 0) return random.pick(BODY_PATHS);
  const sub = (subtype: Type): string => randomExpression(random, subtype, depth - 1);
  if (depth <= 0) {
    if (type === "number") return random.pick(NUMBERS);
    if (type === "string")
      return random.pick([...STRINGS, ...NAMES, "$messageId", "{$contentType}", "$none"]);
    return random.pick(["true", "false", "null", "undefined"]);
  }
  switch (type) {
    case "bool": {
      const operator = random.pick(["=", "!=", "<>", "<", "<=", ">", ">="]);
      const operand = random.pick<Type>(["bool", "number", "string"]);
      return random.pick([
        () => `(${sub("bool")}) and (${sub("bool")})`,
        () => `(${sub("bool")}) or (${sub("bool")}) or (${sub("bool")})`,
        () => `not (${sub("bool")})`,
        () => `(${sub(operand)}) ${operator} (${sub(operand)})`,
        () => `(${sub("bool")}) ${random.pick(["=", "!="])} null`,
        () =>
          `${random.pick(["is_null", "is_defined", "is_string", "is_number", "is_bool"])}(${sub(operand)})`,
        () => `${random.pick(["contains", "starts_with", "ends_with"])}(${sub("string")}, ${sub("string")})`,
        () => `((${sub("bool")}) ?? (${sub("bool")}))`,
      ])();
    }
    case "number":
      return random.pick([
        () => `(${sub("number")} ${random.pick(["+", "-", "*", "/", "%"])} ${sub("number")})`,
        () => `-(${sub("number")})`,
        () =>
          `${random.pick(["abs", "ceiling", "exp", "floor", "sign", "sqrt", "square"])}(${sub("number")})`,
        () => `power(${sub("number")}, ${sub("number")})`,
        () => `as_number(${sub("string")})`,
        () => `length(${sub("string")})`,
        () => `index_of(${sub("string")}, ${sub("string")})`,
        () => `(${sub("number")} ?? ${sub("number")})`,
      ])();
    case "string":
      return random.pick([
        () => `(${sub("string")} || ${sub("string")})`,
        () => `concat(${sub("string")}, ${sub("string")}, ${sub("string")})`,
        () => `${random.pick(["lower", "upper"])}(${sub("string")})`,
        () => `substring(${sub("string")}, ${sub("number")})`,
        () => `substring(${sub("string")}, ${sub("number")}, ${sub("number")})`,
        () => `(${sub("string")} ?? ${sub("string")})`,
      ])();
  }
}

const TOKENS = [
  "SELECT", "*", "FROM", "/*", "*/", "/messages/*", "/", "WHERE", "INTO", "$upstream", "BrokeredEndpoint",
  "(", ")", '"/modules/a/inputs/b"', "and", "OR", "not", "=", "==", "!=", "<", ">=", "<>", "??", "||", "|",
  "+", "-", "%", "{", "}", "[", "]", "[0]", ",", ";", "@", "$", "$body.a", "$body[", "'", '"', "\\", "a", "1",
  "0x", "1e", ".", "true", "null", "length", "abs(", "\n", "\t", "\u0000", "\u2028", "\ud800", "😀", "!", "&&",
]; // prettier-ignore

/** Anything at all, often with a good beginning. */
export function randomQuery(random: Random): string {
  const parts = random.below(2) === 0 ? ["FROM", "/*", "WHERE"] : [];
  for (let count = random.below(12); count >= 0; count--) parts.push(random.pick(TOKENS));
  if (random.below(2) === 0) parts.push("INTO", "$upstream");
  return parts.join(random.pick(["", " ", " "]));
}

const TEXTS = ["", "a", "10", "-1e400", "ä😀", "\ud800", "x".repeat(3000), null];

export function randomTable(random: Random): TableMessage {
  const application = NAMES.filter(() => random.below(2) === 0).map((name) => [name, random.pick(TEXTS)]);
  const system = ["messageId", "contentType"].map((name) => [name, random.pick(TEXTS)]);
  return new TableMessage(
    Object.fromEntries(application) as Record<string, string | null>,
    Object.fromEntries(system) as Record<string, string | null>,
    randomJson(random, 4),
  );
}

function randomJson(random: Random, depth: number): unknown {
  const scalar = (): unknown =>
    random.pick([null, true, false, 0, -0, 1e308, Infinity, "", "10", "ä", "x".repeat(99)]);
  if (depth === 0 || random.below(4) === 0) return scalar();
  const inner = (): unknown => randomJson(random, depth - 1);
  if (random.below(3) === 0) return [inner(), inner()];
  return { a: inner(), b: { c: inner() }, list: [{ x: inner() }, inner()], __proto__: null };
}

/** A well-formed frame with properties of every type, and whatever bits as their values. */
export function randomFrame(random: Random): { block: Block; frameAt: number } {
  const section = (ids: readonly number[], names: readonly string[]): Buffer => {
    const parts = [...ids.map((id) => ({ id })), ...names.map((name) => ({ name }))].map((key) => {
      const length = random.pick([0, 1, 8, 8, 16, 40]);
      const part = encodeProperties([{ ...key, value: "v".repeat(length) }]);
      for (let i = part.length - length; i < part.length; i++) part[i] = random.below(256);
      part[PROPERTY.TYPE] = random.pick(Object.values(PROPERTY_TYPE));
      return part;
    });
    return Buffer.concat(parts);
  };
  const system = random.below(2) === 0 ? section([1, 6, 7, 14, 99], ["x"]) : JSON_SECTION;
  const body = random.below(2) === 0 ? JSON.stringify(randomJson(random, 4)) : '{"a":';
  const enqueuedWall = random.pick([0, NaN, 1e300, 1.7e12]);
  return rawFrame(system, section([1], NAMES), { body: Buffer.from(body), enqueuedWall });
}

const JSON_SECTION = encodeProperties([
  { id: 6, value: "application/json" },
  { id: 7, value: "utf-8" },
]);
