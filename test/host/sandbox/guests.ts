/** Guests compiled from test/fixtures/guests, and specs to run them with. */
import { readFileSync } from "node:fs";
import { main as asc } from "assemblyscript/asc";
import {
  MANIFEST_SECTION,
  WATCH,
  type ModuleManifest,
  type SandboxLimits,
  type SandboxSpec,
} from "../../../abi/index.ts";

const FOLDER = new URL("../../fixtures/guests/", import.meta.url);

export interface Guest {
  /** Without a manifest. */
  readonly wasm: Uint8Array;
  readonly sourceMap: string;
}

export interface CompileOptions {
  readonly maximumPages?: number | null;
  /** 0 compiles fastest and keeps every frame of a stack. */
  readonly optimizeLevel?: number;
}

const compiled = new Map<string, Promise<Guest>>();

/** The guest of this name; compiled once per test file. */
export function compileGuest(name: string, options: CompileOptions = {}): Promise<Guest> {
  const key = JSON.stringify([name, options]);
  const guest = compiled.get(key) ?? compile(name, options);
  compiled.set(key, guest);
  return guest;
}

async function compile(
  name: string,
  { maximumPages = 64, optimizeLevel = 0 }: CompileOptions,
): Promise<Guest> {
  const outputs = new Map<string, string | Uint8Array>();
  const flags = ["--outFile", "out.wasm", "--sourceMap", "--debug", "--optimizeLevel", String(optimizeLevel)];
  flags.push("--runtime", "stub", "--exportStart", "_initialize");
  if (maximumPages !== null) flags.push("--maximumMemory", String(maximumPages));
  const messages: string[] = [];
  const { error } = await asc([`${name}.ts`, ...flags], {
    readFile: (file) => {
      try {
        return readFileSync(new URL(file, FOLDER), "utf8");
      } catch {
        return null;
      }
    },
    writeFile: (file, contents) => void outputs.set(file, contents),
    listFiles: () => [],
    stderr: { write: (text: string | Uint8Array) => void messages.push(String(text)) },
  });
  if (error) throw new Error(`${name}: ${error.message}\n${messages.join("")}`);
  return { wasm: outputs.get("out.wasm") as Uint8Array, sourceMap: outputs.get("out.wasm.map") as string };
}

export const MANIFEST: ModuleManifest = {
  name: "guest",
  version: "1.0.0",
  abi: { major: 1, minor: 0 },
  inputs: ["in"],
  outputs: ["out", "other"],
  timers: [
    { name: "tick", periodMs: 1000 },
    { name: "tock", periodMs: 1000 },
  ],
  capabilities: ["log", "clock", "random", "kv"],
  memory: { maxBytes: 16 * 1024 * 1024 },
};

/** The binary with a custom section at its end. */
export function withSection(
  wasm: Uint8Array,
  content: string | Uint8Array,
  name = MANIFEST_SECTION,
): Uint8Array {
  const body = Buffer.concat([leb(name.length), Buffer.from(name), Buffer.from(content as string)]);
  return Buffer.concat([wasm, Buffer.from([0]), leb(body.length), body]);
}

export const withManifest = (wasm: Uint8Array, changes: Record<string, unknown> = {}): Uint8Array =>
  withSection(wasm, JSON.stringify({ ...MANIFEST, ...changes }));

export function leb(value: number): Buffer {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 128 : 0));
    value = rest;
  } while (value > 0);
  return Buffer.from(bytes);
}

export const LIMITS: SandboxLimits = {
  recordDeadlineMs: 1_000,
  resultBytesMax: 1024 * 1024,
  kvBytesMax: 4 * 1024 * 1024,
  logLinesPerSecond: 100,
  filesBytesMax: 1024 * 1024,
};

export type SpecChanges = Partial<Omit<SandboxSpec, "limits">> & {
  readonly limits?: Partial<SandboxLimits>;
};

export function specOf(guest: Guest, { limits, ...changes }: SpecChanges = {}): SandboxSpec {
  return {
    name: "guest",
    module: new WebAssembly.Module(guest.wasm),
    digest: "0".repeat(64),
    grants: MANIFEST.capabilities,
    config: {},
    configVersion: 1,
    env: {},
    outputSources: [71, 72],
    kv: [],
    incarnation: 0,
    watch: new SharedArrayBuffer(WATCH.WORDS * 4),
    ...changes,
    limits: { ...LIMITS, ...limits },
  };
}
