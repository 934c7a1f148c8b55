/** Code of a validator, made by ajv: what the build writes, and tests compare with what it wrote. */
import { Ajv } from "ajv";
import standalone from "ajv/dist/standalone/index.js";
import type { SchemaName } from "./schema/validator.ts";
import { SCHEMAS } from "./schemas.ts";

/** A CommonJS module that exports the validator. */
export function validatorText(name: SchemaName): string {
  const { schema, options } = SCHEMAS[name];
  const ajv = new Ajv({ ...options, code: { source: true } });
  return standalone.default(ajv, ajv.compile(schema));
}
