/**
 * Decoders of what a request says: its query, and objects in its body. A field that is not known is refused,
 * because a misspelt one would otherwise do something else than was meant.
 */
import { RequestError } from "./server.ts";

/** `undefined` when the field is not there. @throws {RequestError} */
export type Field<T> = (value: unknown, name: string) => T;

const QUOTED_CHARACTERS_MAX = 80;

type Fields = Readonly<Record<string, Field<unknown>>>;
type Decoded<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

export function decodeQuery<F extends Fields>(query: URLSearchParams, fields: F): Decoded<F> {
  return decodeFields(Object.fromEntries(query), fields, "parameter");
}

/** What a path names, percent-decoded already. */
export function decodePath<F extends Fields>(
  params: Readonly<Record<string, string>>,
  fields: F,
): Decoded<F> {
  return decodeFields(params, fields, "path segment");
}

export function decodeBody<F extends Fields>(body: unknown, fields: F): Decoded<F> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new RequestError(400, "body is not a JSON object");
  }
  return decodeFields(body as Record<string, unknown>, fields, "body field");
}

function decodeFields<F extends Fields>(
  values: Readonly<Record<string, unknown>>,
  fields: F,
  what: string,
): Decoded<F> {
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) throw new RequestError(400, `${what} "${unknown}" is not known`);
  const decoded = Object.entries(fields).map(([name, decode]) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return [name, decode(value, `${what} "${name}"`)] as const;
  });
  return Object.fromEntries(decoded) as Decoded<F>;
}

export const optional =
  <T>(field: Field<T>): Field<T | undefined> =>
  (value, name) =>
    value === undefined ? undefined : field(value, name);

export const withDefault =
  <T>(field: Field<T>, fallback: T): Field<T> =>
  (value, name) =>
    value === undefined ? fallback : field(value, name);

/** A whole number; in a query it is text. */
export const integer =
  (minimum: number, maximum: number): Field<number> =>
  (value, name) => {
    const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
    const isWhole = typeof number === "number" && Number.isInteger(number);
    if (isWhole && number >= minimum && number <= maximum) return number;
    throw new RequestError(400, `${name} is not a whole number from ${minimum} to ${maximum}`);
  };

/** In a query it is text. */
export const boolean: Field<boolean> = (value, name) => {
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "false") return value === "true";
  throw new RequestError(400, `${name} is neither true nor false`);
};

/** `rule`: what `pattern` asks for, in words. */
export const text =
  (pattern: RegExp, lengthMax: number, rule: string): Field<string> =>
  (value, name) => {
    if (typeof value !== "string") throw new RequestError(400, `${name} is not a text`);
    if (value.length <= lengthMax && pattern.test(value)) return value;
    const quoted = JSON.stringify(value.slice(0, QUOTED_CHARACTERS_MAX));
    throw new RequestError(400, `${name} ${quoted} is not one`, rule);
  };

/** Whatever it is, it must be there. */
export const anything: Field<unknown> = (value, name) => {
  if (value !== undefined) return value;
  throw new RequestError(400, `${name} is missing`);
};
