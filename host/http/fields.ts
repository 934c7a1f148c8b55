/**
 * What a request says: its path, its query, objects in its body. A field knows how to decode a value, and the
 * JSON Schema that says the same to others. What is not known is refused, because a misspelt field would otherwise
 * do something else than was meant.
 */
import type { JsonSchema } from "./schema.ts";
import { RequestError } from "./server.ts";

export interface Field<T> {
  readonly json: JsonSchema;
  /** It may be absent. */
  readonly isOptional?: true;
  /** `value` is `undefined` when the field is not there. @throws {RequestError} */
  readonly decode: (value: unknown, name: string) => T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
export type Decoded<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]["decode"]> };

const QUOTED_CHARACTERS_MAX = 80;

export function decodeQuery<F extends Fields>(query: URLSearchParams, fields: F): Decoded<F> {
  return decodeFields(fromText(Object.fromEntries(query), fields), fields, "parameter");
}

/** What a path names, percent-decoded already. */
export function decodePath<F extends Fields>(
  params: Readonly<Record<string, string>>,
  fields: F,
): Decoded<F> {
  return decodeFields(fromText(params, fields), fields, "path segment");
}

export function decodeBody<F extends Fields>(body: unknown, fields: F): Decoded<F> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new RequestError(400, "body is not a JSON object");
  }
  return decodeFields(body as Record<string, unknown>, fields, "body field");
}

/** What is text on the way, though it is a number or a truth value. */
function fromText(
  values: Readonly<Record<string, string>>,
  fields: Fields,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(values).map(([name, text]) => {
      const type = Object.hasOwn(fields, name) ? fields[name]!.json["type"] : undefined;
      if (type === "integer" && /^\d{1,16}$/.test(text)) return [name, Number(text)];
      if (type === "boolean" && (text === "true" || text === "false")) return [name, text === "true"];
      return [name, text];
    }),
  );
}

function decodeFields<F extends Fields>(
  values: Readonly<Record<string, unknown>>,
  fields: F,
  what: string,
): Decoded<F> {
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) throw new RequestError(400, `${what} "${unknown}" is not known`);
  const decoded = Object.entries(fields).map(([name, field]) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return [name, field.decode(value, `${what} "${name}"`)] as const;
  });
  return Object.fromEntries(decoded) as Decoded<F>;
}

export const optional = <T>({ json, decode }: Field<T>): Field<T | undefined> => ({
  json,
  isOptional: true,
  decode: (value, name) => (value === undefined ? undefined : decode(value, name)),
});

export const withDefault = <T>({ json, decode }: Field<T>, fallback: T): Field<T> => ({
  json: { ...json, default: fallback },
  isOptional: true,
  decode: (value, name) => (value === undefined ? fallback : decode(value, name)),
});

/** `null` is a value as well. */
export const orNull = <T>({ json, decode }: Field<T>): Field<T | null> => ({
  json: { anyOf: [json, { type: "null" }] },
  decode: (value, name) => (value === null ? null : decode(value, name)),
});

/** What is decoded further; the schema is of what it is decoded from. */
export const refined = <A, B>(
  { json, decode }: Field<A>,
  refine: (value: A, name: string) => B,
): Field<B> => ({
  json,
  decode: (value, name) => refine(decode(value, name), name),
});

/** A whole number. */
export const integer = (minimum: number, maximum: number): Field<number> => ({
  json: { type: "integer", minimum, maximum },
  decode: (value, name) => {
    const isWhole = typeof value === "number" && Number.isInteger(value);
    if (isWhole && value >= minimum && value <= maximum) return value;
    throw new RequestError(400, `${name} is not a whole number from ${minimum} to ${maximum}`);
  },
});

export const boolean: Field<boolean> = {
  json: { type: "boolean" },
  decode: (value, name) => {
    if (typeof value === "boolean") return value;
    throw new RequestError(400, `${name} is neither true nor false`);
  },
};

/** `rule`: what `pattern` asks for, in words. */
export const text = (pattern: RegExp, lengthMax: number, rule: string): Field<string> => ({
  json: { type: "string", pattern: pattern.source, maxLength: lengthMax, description: rule },
  decode: (value, name) => {
    if (typeof value !== "string") throw new RequestError(400, `${name} is not a text`);
    if (value.length <= lengthMax && pattern.test(value)) return value;
    throw new RequestError(400, `${name} ${quoted(value)} is not one`, rule);
  },
});

export const oneOf = <const T extends string>(...values: readonly T[]): Field<T> => ({
  json: { enum: values },
  decode: (value, name) => {
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    throw new RequestError(400, `${name} ${quoted(value)} is not one`, `it is ${values.join(" or ")}`);
  },
});

/** Whatever it is, it must be there. */
export const anything: Field<unknown> = {
  json: {},
  decode: (value, name) => {
    if (value !== undefined) return value;
    throw new RequestError(400, `${name} is missing`);
  },
};

const quoted = (value: unknown): string =>
  JSON.stringify(typeof value === "string" ? value.slice(0, QUOTED_CHARACTERS_MAX) : null);
