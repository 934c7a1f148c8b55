/** The OpenAPI 3.1 document of the management API, made of its operations. Pure; loaded when somebody asks. */
import type { Fields } from "../http/fields.ts";
import { statusOfCode } from "./refusal.ts";
import type { Operation } from "./operation.ts";
import type { JsonSchema } from "../http/schema.ts";
import { FAILURE } from "./views.ts";

const COMPONENTS = "#/components/schemas/";

/** `version`: of the program. */
export function openApiDocument(operations: readonly Operation[], version: string): object {
  const schemas = new Map<string, JsonSchema>();
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[operation.method.toLowerCase()] = describe(operation, schemas);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Sandpiper management API",
      version,
      description:
        "HTTP on the Unix socket run/management.sock of a gateway's folder, which its owner alone can open; " +
        "on a port of the loopback with the token in management.token, if gateway.json has management.listen.",
    },
    servers: [{ url: "http://localhost" }],
    security: [{}, { token: [] }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: Object.fromEntries(schemas),
    },
  };
}

function describe(operation: Operation, schemas: Map<string, JsonSchema>): object {
  const { id, tag, summary, params, query, body, answer } = operation;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: { required: true, content: jsonContent(bodySchema(body)) } }),
    responses: {
      [answer.status]: {
        description: summary,
        ...(answer.schema === null
          ? {}
          : { content: { [answer.contentType!]: { schema: withReferences(answer.schema, schemas) } } }),
      },
      ...failuresOf(operation, schemas),
    },
  };
}

const parametersOf = (fields: Fields, where: "path" | "query"): object[] =>
  Object.entries(fields).map(([name, { json, isOptional }]) => ({
    name,
    in: where,
    required: isOptional !== true,
    schema: json,
  }));

/** What is not listed is refused. */
function bodySchema(fields: Fields): JsonSchema {
  const entries = Object.entries(fields);
  return {
    type: "object",
    required: entries.filter(([, { isOptional }]) => isOptional !== true).map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, { json }]) => [name, json])),
    additionalProperties: false,
  };
}

/** By status, with the codes that it stands for; every other failure has the same form. */
function failuresOf(
  { errors }: Operation,
  schemas: Map<string, JsonSchema>,
): Readonly<Record<string, object>> {
  const content = jsonContent(withReferences(FAILURE.json, schemas));
  const byStatus = new Map<number, string[]>([[400, ["SP_REQUEST_INVALID"]]]);
  for (const code of errors) {
    const status = statusOfCode(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const responses = [...byStatus].map(([status, codes]) => [
    String(status),
    { description: codes.join(", "), content },
  ]);
  return { ...Object.fromEntries(responses), default: { description: "any other failure", content } };
}

const jsonContent = (schema: JsonSchema): object => ({ "application/json": { schema } });

/** The same schema, with a reference in place of each that has a title; those go to `schemas`. */
function withReferences(schema: JsonSchema, schemas: Map<string, JsonSchema>): JsonSchema {
  const { title, ...rest } = schema;
  const resolved = Object.fromEntries(
    Object.entries(rest).map(([keyword, value]) => [keyword, resolve(value, schemas)]),
  );
  if (typeof title !== "string") return resolved;
  schemas.set(title, resolved);
  return { $ref: COMPONENTS + title };
}

function resolve(value: unknown, schemas: Map<string, JsonSchema>): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(item, schemas));
  if (typeof value !== "object" || value === null) return value;
  return withReferences(value as JsonSchema, schemas);
}
