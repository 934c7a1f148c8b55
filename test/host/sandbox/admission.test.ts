import { beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_GRANTS, MANIFEST_BYTES_MAX, type Capability } from "../../../abi/index.ts";
import { admitModule } from "../../../host/sandbox/admission.ts";
import { decodeModuleManifest } from "../../../host/sandbox/manifest.ts";
import { readOutline } from "../../../host/sandbox/wasm-sections.ts";
import { compileGuest, leb, MANIFEST, withManifest, withSection } from "./guests.ts";
import { random } from "./seed.ts";

const MEMORY_MAX = 4 * 1024 * 1024;
const policy = (grants: readonly Capability[] = DEFAULT_GRANTS, memoryBytesMax = MEMORY_MAX) => ({
  grants,
  memoryBytesMax,
});

let guest: Uint8Array;
let counting: Uint8Array;
beforeAll(async () => {
  guest = (await compileGuest("passes-everything")).wasm;
  counting = (await compileGuest("counts-in-kv")).wasm;
});

/** Binaries written by hand: sections as (id, bytes), vectors as lists of items. */
const PREAMBLE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const vector = (...items: readonly Buffer[]): Buffer => Buffer.concat([leb(items.length), ...items]);
const section = (id: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([id]), leb(content.length), content]);
const name = (text: string): Buffer => Buffer.concat([leb(text.length), Buffer.from(text)]);
const I32 = 0x7f;
const I64 = 0x7e;
const functionType = (params: number[], results: number[]): Buffer =>
  Buffer.concat([Buffer.from([0x60, params.length, ...params, results.length, ...results])]);

interface Handmade {
  readonly imports?: readonly (readonly [module: string, name: string, desc: readonly number[]])[];
  /** Content of the memory section's items. */
  readonly memories?: readonly (readonly number[])[];
  /** Type of `sp_batch`: index into the types below. */
  readonly batchType?: number;
  readonly without?: string | undefined;
  readonly marker?: string;
}

const TYPES = [
  functionType([], []),
  functionType([I32], [I32]),
  functionType([I32, I32], [I32]),
  functionType([I64, I64], [I32]),
];

function handmade({
  imports = [],
  memories = [[1, 1, 2]],
  batchType = 2,
  without,
  marker = "sp_abi_v1",
}: Handmade) {
  const types = [0, 2, 1, batchType];
  const imported = imports.filter(([, , [kind]]) => kind === 0).length;
  const hasMemory = memories.length > 0 || imports.some(([, , [kind]]) => kind === 2);
  const exports = [marker, "sp_init", "sp_mailbox", "sp_batch"].map((text, i) => ({
    text,
    item: [0, i + imported],
  }));
  if (hasMemory) exports.push({ text: "memory", item: [2, 0] });
  const body = (type: number): Buffer => Buffer.from(type === 0 ? [2, 0, 0x0b] : [4, 0, 0x41, 0, 0x0b]);
  return withManifest(
    Buffer.concat([
      PREAMBLE,
      section(1, vector(...TYPES)),
      section(
        2,
        vector(...imports.map(([m, n, desc]) => Buffer.concat([name(m), name(n), Buffer.from(desc)]))),
      ),
      section(3, vector(...types.map((type) => leb(type)))),
      section(5, vector(...memories.map((limits) => Buffer.from(limits)))),
      section(
        7,
        vector(
          ...exports
            .filter(({ text }) => text !== without)
            .map(({ text, item }) => Buffer.concat([name(text), Buffer.from(item)])),
        ),
      ),
      section(10, vector(...types.map(body))),
    ]),
  );
}

const refusal = (wasm: Uint8Array, p = policy()): { code: string; message: string; hint?: string } => {
  try {
    admitModule(wasm, p);
  } catch (error) {
    return error as { code: string; message: string };
  }
  return { code: "admitted", message: "" };
};

describe("admission", () => {
  test("a module that fits is admitted, with the grants that it asked for and no others", () => {
    const admitted = admitModule(withManifest(counting, { capabilities: ["kv"] }), policy(["kv", "log"]));
    expect(admitted.grants).toEqual(["kv"]);
    expect(admitted.manifest.outputs).toEqual(["out", "other"]);
    expect(admitModule(handmade({}), policy()).module).toBeInstanceOf(WebAssembly.Module);
  });

  test("bytes that are not wasm are refused without the engine's words", () => {
    expect(refusal(Buffer.from("hello"))).toMatchObject({
      code: "SP_MODULE_WASM",
      message: "module: not a wasm binary that this engine accepts",
    });
  });

  test.for([
    [["env", "system", [0, 0]], 'module: import "env.system" is unknown to this host'],
    [["sandpiper_v1", "kv_drop", [0, 0]], 'module: import "sandpiper_v1.kv_drop" is unknown to this host'],
    [["sandpiper_v2", "log", [0, 0]], 'module: import "sandpiper_v2.log" is unknown to this host'],
    [
      ["wasi_snapshot_preview1", "sock_send", [0, 0]],
      'module: import "wasi_snapshot_preview1.sock_send" is unknown to this host',
    ],
    [
      ["wasi_snapshot_preview1", "fd_fly", [0, 0]],
      'module: import "wasi_snapshot_preview1.fd_fly" is unknown to this host',
    ],
    [["env", "abort", [3, I32, 0]], 'module: import "env.abort" is a global, not a function'],
    [["__proto__", "toString", [0, 0]], 'module: import "__proto__.toString" is unknown to this host'],
  ] as const)("an import that the host does not have is refused by name (%s)", ([item, message]) => {
    expect(refusal(handmade({ imports: [item] }))).toMatchObject({
      code: "SP_MODULE_IMPORT_UNKNOWN",
      message,
    });
  });

  test("an import without its grant is refused with function and capability", () => {
    const wasm = withManifest(counting);
    expect(refusal(wasm, policy(["log"]))).toMatchObject({
      code: "SP_MODULE_GRANT_MISSING",
      message: expect.stringMatching(
        /^module: import "sandpiper_v1\.kv_\w+" needs the capability "kv", which is not granted$/,
      ),
      hint: 'add "kv" to createOptions.sandpiper.grants of the module in the deployment',
    });
    expect(refusal(withManifest(counting, { capabilities: [] }))).toMatchObject({
      code: "SP_MODULE_GRANT_MISSING",
      hint: 'ask for "kv" in the module\'s manifest',
    });
  });

  test("a host function imported with another type is refused", () => {
    expect(refusal(handmade({ imports: [["sandpiper_v1", "kv_del", [0, 3]]] }))).toMatchObject({
      code: "SP_MODULE_ABI",
      message: 'module: import "sandpiper_v1.kv_del" has type (i64, i64) -> i32, expected (i32, i32) -> i32',
    });
  });

  test.for(["sp_init", "sp_mailbox", "sp_batch", "sp_abi_v1"])(
    "a module without the export %s is refused",
    (without) => {
      expect(refusal(handmade({ without }))).toMatchObject({
        code: "SP_MODULE_ABI",
        message: expect.stringContaining(`"${without}"`),
      });
    },
  );

  test("an export with another type is refused", () => {
    expect(refusal(handmade({ batchType: 1 }))).toMatchObject({
      code: "SP_MODULE_ABI",
      message: 'module: export "sp_batch" has type (i32) -> i32, expected (i32, i32) -> i32',
    });
  });

  test("a module for another ABI is refused with both versions", () => {
    expect(refusal(withManifest(guest, { abi: { major: 2, minor: 0 } }))).toMatchObject({
      code: "SP_MODULE_ABI",
      message: "module: built for ABI 2.0, this host offers ABI 1.1",
    });
    expect(refusal(handmade({ marker: "sp_abi_v2" })).message).toBe(
      'module: no export "sp_abi_v1", but "sp_abi_v2"',
    );
  });

  test.for([
    [[[1, 1, 65]], "module: its memory may grow to 4259840 bytes, allowed are 4194304"],
    [[[0, 1]], "module: its memory has no maximum, allowed are 4194304 bytes"],
    [[[3, 1, 2]], "module: its memory is shared"],
  ] as const)("memory must have a maximum within the limit (%s)", ([memories, message]) => {
    expect(refusal(handmade({ memories }))).toMatchObject({ code: "SP_MODULE_MEMORY", message });
  });

  test("a module without a memory is refused", () => {
    expect(refusal(handmade({ memories: [] }))).toMatchObject({
      code: "SP_MODULE_ABI",
      message: 'module: export "memory" is missing, expected a memory',
    });
  });

  test("an imported memory is refused", () => {
    expect(refusal(handmade({ memories: [], imports: [["env", "memory", [2, 1, 1, 2]]] }))).toMatchObject({
      code: "SP_MODULE_IMPORT_UNKNOWN",
      message: 'module: import "env.memory" is a memory, not a function',
    });
  });

  test("memory may not exceed what the manifest declares", () => {
    expect(refusal(withManifest(guest, { memory: { maxBytes: 1024 * 1024 } }))).toMatchObject({
      code: "SP_MODULE_MEMORY",
    });
  });

  test("the outline of mangled bytes is read or refused, never anything else", () => {
    const { next, seed } = random();
    for (let i = 0; i < 2000; i++) {
      const bytes = Buffer.from(counting);
      for (let k = 0; k < 4; k++) bytes[next(600)] = next(256);
      const cut = bytes.subarray(0, 8 + next(bytes.length));
      try {
        readOutline(cut);
      } catch (error) {
        expect(error, `seed ${seed}, round ${i}`).toMatchObject({ code: "SP_MODULE_WASM" });
      }
    }
  });
});

describe("the manifest", () => {
  const decode = (content: string): unknown => {
    try {
      return decodeModuleManifest(withSection(guest, content));
    } catch (error) {
      const { code, message, details } = error as {
        code: string;
        message: string;
        details: { path: string };
      };
      return { code, message, path: details.path };
    }
  };
  const changed = (changes: Record<string, unknown>): string => JSON.stringify({ ...MANIFEST, ...changes });

  test("comes out as it was written", () => {
    expect(decode(JSON.stringify(MANIFEST))).toEqual(MANIFEST);
  });

  test.for([
    ["{", "module manifest: not JSON in utf-8", ""],
    [
      changed({ inputs: ["a", "b c"] }),
      'module manifest: /inputs/1 must match pattern "^[A-Za-z0-9_-]+$", got "b c"',
      "/inputs/1",
    ],
    [changed({ version: undefined }), "module manifest: / must have required property 'version'", ""],
    [
      changed({ memory: { maxBytes: 1 } }),
      "module manifest: /memory/maxBytes must be >= 65536, got 1",
      "/memory/maxBytes",
    ],
    [changed({ extra: 1 }), "module manifest: /extra must NOT have additional properties", "/extra"],
    [
      JSON.stringify(MANIFEST).replace("{", '{"__proto__":{"a":1},'),
      "module manifest: /__proto__ must NOT have additional properties",
      "/__proto__",
    ],
    [
      changed({
        timers: [
          { name: "t", periodMs: 1 },
          { name: "t", periodMs: 2 },
        ],
      }),
      'module manifest: timer "t" is declared twice',
      "/timers/1/name",
    ],
    ["x".repeat(MANIFEST_BYTES_MAX + 1), "module manifest: 65537 bytes, more than 65536", ""],
  ] as const)("is refused with the path of what does not fit", ([content, message, path]) => {
    expect(decode(content)).toEqual({ code: "SP_MODULE_MANIFEST", message, path });
  });

  test("must be there exactly once", () => {
    expect(() => decodeModuleManifest(guest)).toThrow(
      'module: 0 custom sections "sandpiper.manifest", expected 1',
    );
    expect(() => decodeModuleManifest(withManifest(withManifest(guest)))).toThrow(
      "module: 2 custom sections",
    );
  });
});
