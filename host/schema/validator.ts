/**
 * Validators of JSON schemas, compiled by the build (`host/precompile.ts`): ajv, and what it needs to compile a
 * schema, take 9 MB and a good part of a start, for what a gateway does a few times in its life.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { ValidateFunction } from "ajv";

/** What there is a validator of; `host/schemas.ts` has the schemas. */
export type SchemaName =
  "gateway-config" | "agent-desired" | "hub-desired" | "sandbox-options" | "module-manifest";

const here = import.meta.url;
const requireFile = createRequire(here);
/** From source (tests), those of the last build. */
const build = new URL(here.endsWith(".ts") ? "../../dist/host/schema/" : "./", here);

export const validatorFile = (name: SchemaName): string =>
  fileURLToPath(new URL(`./${name}.validator.cjs`, build));

/** Synchronous, since whoever judges a document is; loaded once. */
export function loadValidator<T>(name: SchemaName): ValidateFunction<T> {
  return requireFile(validatorFile(name)) as ValidateFunction<T>;
}
