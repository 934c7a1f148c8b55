/**
 * `settings.createOptions`: Docker's create body, as one string or cut into chunks (contract §1.2). Here it
 * carries the sandbox options under the key `sandpiper`; everything else in it would ask a container engine
 * for something, and is refused by name: an option that is ignored in silence is found by the outage.
 */
import {
  CAPABILITIES,
  DEFAULT_GRANTS,
  KV_IMAGE_BYTES_DEFAULT,
  MEMORY_BYTES_DEFAULT,
  MEMORY_BYTES_MAX,
  RECORD_DEADLINE_MS_DEFAULT,
  RESULT_BYTES_MAX,
  type Capability,
} from "../../abi/index.ts";
import { DeploymentError } from "./errors.ts";
import type { JsonPath } from "./json-path.ts";
import { createCheck, type Schema } from "./schema-check.ts";

export interface SandboxOptions {
  /** Most linear memory the module may declare. */
  readonly memoryBytesMax: number;
  /** CPU time of one record. */
  readonly recordDeadlineMs: number;
  readonly kvBytesMax: number;
  readonly resultBytesMax: number;
  readonly filesBytesMax: number;
  readonly logLinesPerSecond: number;
  /** At most these, of what the module asks for. */
  readonly grants: readonly Capability[];
}

export const SANDBOX_DEFAULTS: SandboxOptions = {
  memoryBytesMax: MEMORY_BYTES_DEFAULT,
  recordDeadlineMs: RECORD_DEADLINE_MS_DEFAULT,
  kvBytesMax: KV_IMAGE_BYTES_DEFAULT,
  resultBytesMax: RESULT_BYTES_MAX,
  filesBytesMax: 1024 * 1024,
  logLinesPerSecond: 100,
  grants: DEFAULT_GRANTS,
};

export interface CreateOptions {
  /** The whole, as one canonical JSON string: for comparison and for reported properties. */
  readonly text: string;
  readonly sandbox: SandboxOptions;
}

const CHUNKS_MAX = 100;
const CHARACTERS_MAX = 256 * 1024;
const NAMES_LISTED_MAX = 8;
const MIB = 1024 * 1024;

const bytes = (minimum: number, maximum: number) => ({ type: "integer", minimum, maximum }) as const;

export const SANDBOX_SCHEMA: Schema = {
  type: "object",
  additionalProperties: false,
  properties: {
    memoryBytesMax: bytes(65_536, MEMORY_BYTES_MAX),
    recordDeadlineMs: { type: "integer", minimum: 1, maximum: 60_000 },
    kvBytesMax: bytes(0, 64 * MIB),
    resultBytesMax: bytes(4_096, RESULT_BYTES_MAX),
    filesBytesMax: bytes(0, 64 * MIB),
    logLinesPerSecond: { type: "integer", minimum: 0, maximum: 10_000 },
    grants: { type: "array", items: { enum: CAPABILITIES }, uniqueItems: true },
  },
};

const checkSandbox = createCheck<Partial<SandboxOptions>>("sandbox-options");

/**
 * `settings` is the module's whole settings object, which stands at `at`.
 * @throws {DeploymentError} 400
 */
export function decodeCreateOptions(
  settings: Readonly<Record<string, unknown>>,
  at: JsonPath,
): CreateOptions {
  const value = joinChunks(settings, at);
  const path = [...at, "createOptions"];
  const foreign = Object.keys(value).filter((key) => key !== "sandpiper");
  if (foreign.length > 0) throw unsupported(value, foreign, path);
  if (!Object.hasOwn(value, "sandpiper")) return { text: "{}", sandbox: SANDBOX_DEFAULTS };
  const given = checkSandbox(value["sandpiper"], [...path, "sandpiper"]);
  return { text: JSON.stringify(value), sandbox: { ...SANDBOX_DEFAULTS, ...given } };
}

function joinChunks(settings: Readonly<Record<string, unknown>>, at: JsonPath): Record<string, unknown> {
  const keys = Object.keys(settings).filter((key) => /^createoptions/i.test(key));
  if (keys.length > CHUNKS_MAX) throw new DeploymentError(400, at, `more than ${CHUNKS_MAX} createOptions`);
  const chunks = keys
    .map((key) => ({ key, suffix: key.slice("createOptions".length) }))
    .toSorted((a, b) => (a.suffix < b.suffix ? -1 : 1));
  const parts = chunks.map(({ key, suffix }, i) => {
    const expected = i === 0 ? "" : String(i).padStart(2, "0");
    if (suffix !== expected) {
      throw new DeploymentError(400, [...at, key], `expected "createOptions${expected}" at this place`);
    }
    return settings[key];
  });
  const [first] = parts;
  const path = [...at, "createOptions"];
  // Written by hand, an object is far easier to read than a string of JSON; generated manifests have strings.
  if (parts.length === 1 && isObject(first)) return first;
  for (const [i, part] of parts.entries()) {
    if (typeof part !== "string") throw new DeploymentError(400, [...at, chunks[i]!.key], "must be a string");
  }
  return parseOptions(parts.join(""), path);
}

function parseOptions(text: string, path: JsonPath): Record<string, unknown> {
  if (text.length > CHARACTERS_MAX) {
    throw new DeploymentError(400, path, `longer than ${CHARACTERS_MAX} characters`);
  }
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DeploymentError(400, path, `not JSON: ${(cause as Error).message}`, { cause });
  }
  if (value === null) return {};
  if (!isObject(value)) throw new DeploymentError(400, path, "must hold a JSON object");
  return value;
}

/** Two levels of names say what was meant: `HostConfig.Privileged` rather than `HostConfig`. */
function unsupported(
  value: Record<string, unknown>,
  foreign: readonly string[],
  path: JsonPath,
): DeploymentError {
  const names = foreign.flatMap((key) => {
    const child = value[key];
    const inner = isObject(child) ? Object.keys(child) : [];
    return inner.length > 0 ? inner.map((name) => `${key}.${name}`) : [key];
  });
  const listed = names.slice(0, NAMES_LISTED_MAX).map((name) => JSON.stringify(name.slice(0, 100)));
  const more = names.length > listed.length ? ` and ${names.length - listed.length} more` : "";
  return new DeploymentError(400, path, `not supported: ${listed.join(", ")}${more}`, {
    hint: 'a WebAssembly module has no container: remove these; limits and grants go under the key "sandpiper"',
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
