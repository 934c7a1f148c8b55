import { expect, test } from "vitest";
import { DEFAULT_GRANTS, HOST_FUNCTIONS, RUNTIME_IMPORTS } from "../../../abi/index.ts";
import { GuestLog } from "../../../host/sandbox/guest-log.ts";
import { GuestMemory } from "../../../host/sandbox/guest-memory.ts";
import { hostCalls, type HostState } from "../../../host/sandbox/host-calls.ts";
import { KvOverlay } from "../../../host/sandbox/kv-overlay.ts";
import { linkImports } from "../../../host/sandbox/linker.ts";
import { runtimeImports } from "../../../host/sandbox/runtime-imports.ts";
import { compileGuest } from "./guests.ts";

const memory = new GuestMemory();
const host: HostState = {
  kv: new KvOverlay([], 0),
  log: new GuestLog(0, () => {}),
  sources: new Map(),
  nowWall: 0,
};

test("every function of the ABI's tables is implemented, and no other", () => {
  expect(new Set(Object.keys(hostCalls(host, memory)))).toEqual(
    new Set(HOST_FUNCTIONS.map((row) => row.name)),
  );
  const runtime = Object.keys(runtimeImports(host, memory, DEFAULT_GRANTS)).map((name) => `env.${name}`);
  expect(new Set(runtime)).toEqual(new Set(RUNTIME_IMPORTS));
});

test("a guest is given what it imports and nothing else", async () => {
  const module = new WebAssembly.Module((await compileGuest("floods-the-log")).wasm);
  const imports = linkImports(module, ["log"], host, memory, null);
  expect(Object.keys(imports["sandpiper_v1"]!)).toEqual(["log"]);
});

test("the linker refuses an import without its grant, even after admission", async () => {
  const module = new WebAssembly.Module((await compileGuest("floods-the-log")).wasm);
  expect(() => linkImports(module, [], host, memory, null)).toThrow('needs the capability "log"');
});

test("before there is an instance, no pointer leads anywhere", () => {
  const calls = hostCalls(host, new GuestMemory());
  expect(calls["random"]!(8, 8)).toBe(-5);
  expect(calls["kv_get"]!(8, 8, 0, 0)).toBe(-5);
});
