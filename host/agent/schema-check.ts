/**
 * JSON schemas as checks that say where a document is wrong and quote what stands there. Values that may be
 * secrets are not quoted.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { loadValidator, type SchemaName } from "../schema/validator.ts";
import { DeploymentError } from "./errors.ts";
import { pathOfPointer, type JsonPath } from "./json-path.ts";

export interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

const QUOTED_CHARACTERS_MAX = 80;
const SECRET_SEGMENTS: readonly (string | number)[] = ["env", "registryCredentials"];

/** Loaded at first use: an agent that boots from its last good state may never need one. */
export function createCheck<T>(schema: SchemaName): (value: unknown, at: JsonPath) => T {
  let validate: ValidateFunction<T> | undefined;
  return (value, at) => {
    validate ??= loadValidator<T>(schema);
    if (validate(value)) return value;
    throw toDeploymentError(validate.errors![0]!, at);
  };
}

function toDeploymentError(error: ErrorObject, at: JsonPath): DeploymentError {
  const path = [...at, ...pathOfPointer(error.instancePath)];
  const params: Readonly<Record<string, unknown>> = error.params;
  const got = path.some((segment) => SECRET_SEGMENTS.includes(segment)) ? "" : `, got ${quote(error.data)}`;
  const refuse = (where: JsonPath, what: string) => new DeploymentError(400, where, what);
  switch (error.keyword) {
    case "required":
      return refuse([...path, String(params["missingProperty"])], "missing");
    case "additionalProperties":
      return refuse([...path, String(params["additionalProperty"])], "unknown key");
    case "propertyNames":
      return refuse(path, `key ${quote(params["propertyName"])} has characters that are not allowed`);
    case "pattern":
      // A key's own pattern is reported before the propertyNames that asked for it.
      if (error.propertyName !== undefined) {
        return refuse(path, `key ${quote(error.propertyName)} has characters that are not allowed`);
      }
      return refuse(path, `has characters that are not allowed${got}`);
    case "enum":
      return refuse(
        path,
        `must be one of ${(params["allowedValues"] as unknown[]).map(quote).join(", ")}${got}`,
      );
    case "type":
      return refuse(path, `must be ${[params["type"]].flat().join(" or ")}${got}`);
    default:
      return refuse(path, `${error.message ?? "does not fit"}${got}`);
  }
}

export function quote(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > QUOTED_CHARACTERS_MAX ? `${text.slice(0, QUOTED_CHARACTERS_MAX)}...` : text;
}

/**
 * Keys that `schema` does not know, in objects for which it lists keys without forbidding others: accepted, as
 * IoT Edge accepts them, but never in silence. Keys with `$` are the twin's own.
 */
export function unknownKeys(schema: Schema, value: unknown, at: JsonPath): JsonPath[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const open = schema.additionalProperties;
  return Object.entries(value).flatMap(([key, child]): JsonPath[] => {
    const path = [...at, key];
    const known =
      schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    if (known) return unknownKeys(known, child, path);
    if (typeof open === "object") return unknownKeys(open, child, path);
    return schema.properties && open !== true && !key.startsWith("$") ? [path] : [];
  });
}
