/** The JSON schemas that a gateway judges by, and how each is meant: what the build makes validators of. */
import type { AnySchema, Options } from "ajv";
import { MODULE_MANIFEST_SCHEMA } from "../abi/index.ts";
import { SANDBOX_SCHEMA } from "./agent/create-options.ts";
import { AGENT_SCHEMA, HUB_SCHEMA } from "./agent/deployment-schema.ts";
import { GATEWAY_CONFIG_SCHEMA } from "./folder/gateway-config.ts";
import type { SchemaName } from "./schema/validator.ts";

interface SchemaSource {
  readonly schema: AnySchema;
  readonly options: Options;
}

/** ownProperties: what a prototype happens to have is never taken for a key of the document. */
const DEPLOYMENT: Options = { verbose: true, ownProperties: true, strict: false };

export const SCHEMAS: Readonly<Record<SchemaName, SchemaSource>> = {
  "gateway-config": { schema: GATEWAY_CONFIG_SCHEMA, options: { verbose: true, useDefaults: true } },
  "agent-desired": { schema: AGENT_SCHEMA, options: DEPLOYMENT },
  "hub-desired": { schema: HUB_SCHEMA, options: DEPLOYMENT },
  "sandbox-options": { schema: SANDBOX_SCHEMA, options: DEPLOYMENT },
  "module-manifest": { schema: MODULE_MANIFEST_SCHEMA, options: { verbose: true } },
};
