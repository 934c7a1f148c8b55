/**
 * JSON Schema (2020-12) of what the management API answers, as values typed by what they describe: a schema that
 * leaves a field out, or a word of an enumeration, does not compile. Nothing here runs when a request is answered.
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

declare const described: unique symbol;

/** Of values of type `T`, no more and no less. */
export interface Schema<T> {
  readonly json: JsonSchema;
  readonly [described]?: (value: T) => T;
}

/** Of a field that may be absent. */
interface OptionalSchema<T> {
  readonly optional: Schema<T>;
}

/** Of either kind, of values of whatever type. */
type AnyField = { readonly json: JsonSchema } | { readonly optional: { readonly json: JsonSchema } };

type Shape<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K>
    ? OptionalSchema<Exclude<T[K], undefined>>
    : Schema<T[K]>;
};

export const string: Schema<string> = { json: { type: "string" } };
/** ISO 8601, UTC. */
export const time: Schema<string> = { json: { type: "string", format: "date-time" } };
export const base64: Schema<string> = { json: { type: "string", contentEncoding: "base64" } };
export const number: Schema<number> = { json: { type: "number" } };
export const count: Schema<number> = { json: { type: "integer", minimum: 0 } };
export const flag: Schema<boolean> = { json: { type: "boolean" } };
/** Any JSON value. */
export const json: Schema<unknown> = { json: {} };
/** Any JSON object. */
export const anyObject: Schema<object> = { json: { type: "object" } };

export const words = <const T extends string>(...values: readonly T[]): Schema<T> => ({
  json: { enum: values },
});

export const nullable = <T>({ json: of }: Schema<T>): Schema<T | null> =>
  "title" in of || "enum" in of || "anyOf" in of
    ? { json: { anyOf: [of, { type: "null" }] } }
    : { json: { ...of, type: [of["type"], "null"] } };

export const list = <T>({ json: items }: Schema<T>): Schema<readonly T[]> => ({
  json: { type: "array", items },
});

/** By names that nobody knows beforehand. */
export const map = <T>({ json: of }: Schema<T>): Schema<Readonly<Record<string, T>>> => ({
  json: { type: "object", additionalProperties: of },
});

export const either = <A, B>(a: Schema<A>, b: Schema<B>): Schema<A | B> => ({
  json: { anyOf: [a.json, b.json] },
});

export const maybe = <T>(optional: Schema<T>): OptionalSchema<T> => ({ optional });

/** `title`: what the document calls it. */
export function object<T>(title: string, shape: Shape<T>): Schema<T> {
  const fields = Object.entries(shape as Readonly<Record<string, AnyField>>);
  return {
    json: {
      title,
      type: "object",
      required: fields.filter(([, field]) => !("optional" in field)).map(([name]) => name),
      properties: Object.fromEntries(
        fields.map(([name, field]) => [name, "optional" in field ? field.optional.json : field.json]),
      ),
    },
  };
}
