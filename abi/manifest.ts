/**
 * The module manifest: what a module is and wants, as JSON in the custom section `sandpiper.manifest`,
 * inside the signed bytes. The deployment may narrow what it asks for, never widen it.
 */
import { CAPABILITIES, type Capability } from "./capability.ts";
import { MEMORY_BYTES_MAX, METHOD_NAME_BYTES_MAX, NAME_BYTES_MAX, PORTS_MAX } from "./limits.ts";

export const MANIFEST_SECTION = "sandpiper.manifest";

export interface ModuleManifest {
  readonly name: string;
  readonly version: string;
  readonly abi: { readonly major: number; readonly minor: number };
  /** Index = port number of records. */
  readonly inputs: readonly string[];
  /** Index = port number of effects. */
  readonly outputs: readonly string[];
  /** Index = port number of TIMER records. */
  readonly timers: readonly { readonly name: string; readonly periodMs: number }[];
  /** Direct methods: a call by any other name is answered without the module. Absent = none. */
  readonly methods?: readonly string[];
  readonly capabilities: readonly Capability[];
  readonly memory: { readonly maxBytes: number };
  readonly state?: { readonly schema: number; readonly reads: readonly number[] };
  /** What compiled it, for people. */
  readonly builtWith?: string;
}

const name = { type: "string", pattern: "^[A-Za-z0-9_-]+$", maxLength: NAME_BYTES_MAX } as const;
const ports = { type: "array", items: name, maxItems: PORTS_MAX, uniqueItems: true } as const;

/** JSON Schema (draft 7) of the manifest. */
export const MODULE_MANIFEST_SCHEMA = {
  $id: "sandpiper/module-manifest",
  type: "object",
  additionalProperties: false,
  required: ["name", "version", "abi", "inputs", "outputs", "timers", "capabilities", "memory"],
  properties: {
    name,
    version: { type: "string", maxLength: 64 },
    abi: {
      type: "object",
      additionalProperties: false,
      required: ["major", "minor"],
      properties: { major: { type: "integer", minimum: 1 }, minor: { type: "integer", minimum: 0 } },
    },
    inputs: ports,
    outputs: ports,
    timers: {
      type: "array",
      maxItems: PORTS_MAX,
      items: {
        type: "object",
        additionalProperties: false,
        required: ["name", "periodMs"],
        properties: { name, periodMs: { type: "integer", minimum: 1, maximum: 2147483647 } },
      },
    },
    methods: { ...ports, items: { ...name, maxLength: METHOD_NAME_BYTES_MAX } },
    capabilities: { type: "array", items: { enum: CAPABILITIES }, uniqueItems: true },
    memory: {
      type: "object",
      additionalProperties: false,
      required: ["maxBytes"],
      properties: { maxBytes: { type: "integer", minimum: 65536, maximum: MEMORY_BYTES_MAX } },
    },
    state: {
      type: "object",
      additionalProperties: false,
      required: ["schema", "reads"],
      properties: {
        schema: { type: "integer", minimum: 0 },
        reads: { type: "array", items: { type: "integer", minimum: 0 }, maxItems: 64 },
      },
    },
    builtWith: { type: "string", maxLength: 256 },
  },
} as const;
