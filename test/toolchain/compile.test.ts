import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  HOST_FUNCTIONS,
  MANIFEST_SECTION,
  MEMORY_BYTES_DEFAULT,
  RUNTIME_IMPORTS,
  digestOf,
} from "../../abi/index.ts";
import { CompilerCrash, withoutExit } from "../../toolchain/compile/asc.ts";
import { compileModule } from "../../toolchain/compile/compile.ts";
import { CompileError, type Diagnostic } from "../../toolchain/errors.ts";
import { STOCK_DIR } from "../../toolchain/package-root.ts";
import { memoryMaximum, wasmSections } from "../../toolchain/wasm-sections.ts";
import { TestGuest } from "../modules-as/test-guest.ts";

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A project folder with these files. */
function project(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), "sandpiper-compile-"));
  folders.push(folder);
  const all = { "package.json": '{"name":"@site/probe","version":"1.2.3"}', ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

const IMPORT = 'import { Message, emit, emitText, log } from "@sandpiper/module";\n';
const compile = (source: string) => compileModule({ source, release: false });

async function errorOf(promise: Promise<unknown>): Promise<CompileError> {
  const error = await promise.then(
    () => new Error("it compiled"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CompileError);
  return error as CompileError;
}
const diagnosticsOf = async (source: string): Promise<readonly Diagnostic[]> =>
  (await errorOf(compile(source))).diagnostics;

describe("the manifest", () => {
  test("lists ports in the order of the source, over all files of the module", async () => {
    const folder = project({
      "assembly/index.ts": `${IMPORT}
        import "./more";
        @input("first") export function a(message: Message): void { emit("alerts", message.body); emitText("log", "x"); }
        @every(1_000) function tick(): void { emit("alerts", new Uint8Array(0)); }
        @input("second") @input("third") function b(message: Message): void { message.forward("on"); }`,
      "assembly/more.ts": `
        import * as sandpiper from "@sandpiper/module";
        import { emitJson as send } from "@sandpiper/module";
        @input("fourth") export function c(m: sandpiper.Message): void { sandpiper.emitText("named", "x"); send("sent", "{}"); m.copyTo("copied"); }
        @every(5) export function fast(): void {}`,
    });
    const { manifest } = await compileModule({ projectDir: folder, release: false });
    expect(manifest).toMatchObject({
      name: "probe",
      version: "1.2.3",
      abi: { major: 1, minor: 0 },
      inputs: ["first", "second", "third", "fourth"],
      timers: [
        { name: "tick", periodMs: 1000 },
        { name: "fast", periodMs: 5 },
      ],
      memory: { maxBytes: MEMORY_BYTES_DEFAULT },
    });
    expect([...manifest.outputs].sort()).toEqual(["alerts", "copied", "log", "named", "on", "sent"]);
  });

  test("stands in a section of its own behind the code, the only one but for names", async () => {
    const { wasm, manifest } = await compile(
      `${IMPORT}@input("a") function a(m: Message): void { m.forward("b"); }`,
    );
    const custom = wasmSections(wasm).filter(({ id }) => id === 0);
    expect(custom.map(({ name }) => name)).toEqual(["name", MANIFEST_SECTION]);
    expect(custom[1]!.end).toBe(wasm.length);
    expect(JSON.parse(Buffer.from(custom[1]!.contents).toString())).toEqual(manifest);
  });

  test("asks only for what the module uses", async () => {
    const { manifest } = await compile(`${IMPORT}@input("a") function a(m: Message): void { log.info("b"); }
      function unused(): void { kv.putNumber("x", 1); }
      import { kv } from "@sandpiper/module";`);
    expect(manifest.capabilities).toEqual(["log"]);
  });

  test("holds the memory maximum that asconfig.json gives, and so do the bytes", async () => {
    const folder = project({
      "asconfig.json": '{"entries":["./assembly/main.ts"],"options":{"maximumMemory":32}}',
      "assembly/main.ts": `${IMPORT}@input("a") function a(m: Message): void { m.forward("b"); }`,
    });
    const { manifest, wasm } = await compileModule({ projectDir: folder, release: false });
    expect(manifest.memory.maxBytes).toBe(2 * 1024 * 1024);
    expect(memoryMaximum(wasm)).toBe(2 * 1024 * 1024);
  });
});

describe("the artifact", () => {
  test("is the same to the byte wherever it is built, and names no path of the machine", async () => {
    const folder = path.join(project({}), "some", "deeper", "place");
    cpSync(path.join(STOCK_DIR, "threshold-filter"), folder, { recursive: true });
    const here = await compileModule({ projectDir: path.join(STOCK_DIR, "threshold-filter") });
    const there = await compileModule({ projectDir: folder });
    expect(digestOf(there.wasm)).toBe(digestOf(here.wasm));
    expect(there.sourceMap).toBe(here.sourceMap);
    for (const text of [Buffer.from(there.wasm).toString("latin1"), there.sourceMap]) {
      for (const place of [STOCK_DIR, folder, process.cwd(), tmpdir(), "node_modules"])
        expect(text).not.toContain(place);
    }
  });

  test("exports what the contract names and nothing the author exports", async () => {
    const { wasm } = await compile(`${IMPORT}export const answer: i32 = 42;
      @input("a") export function a(m: Message): void { m.forward("b"); }`);
    const names = WebAssembly.Module.exports(new WebAssembly.Module(wasm)).map(({ name }) => name);
    expect(names.sort()).toEqual(["_initialize", "memory", "sp_abi_v1", "sp_batch", "sp_init", "sp_mailbox"]);
  });

  test("comes with a source map that leads from a trap to the author's line", async () => {
    const source = `${IMPORT}@input("a")\nfunction a(m: Message): void {\n  if (m.bodyLength > 2) {\n    unreachable();\n  }\n}\n`;
    const { wasm, sourceMap } = await compileModule({ source });
    expect(Object.keys(JSON.parse(sourceMap) as object).sort()).toEqual([
      "mappings",
      "names",
      "sources",
      "version",
    ]);
    const trap = trapOf(() => new TestGuest(wasm).run([{ body: "long" }]));
    const offset = Number(/wasm-function\[\d+\]:(0x[0-9a-f]+)/.exec(trap.stack ?? "")?.[1]);
    const found = new SourceMap(JSON.parse(sourceMap)).findEntry(0, offset);
    expect(found).toMatchObject({ originalSource: "assembly/index.ts", originalLine: 4 });
    expect(trap.stack).toContain("@sandpiper/module/guest/serve");
  });

  test("has the SDK of this release, whatever the project has installed under its name", async () => {
    const folder = project({
      "assembly/index.ts": `${IMPORT}@input("a") function a(m: Message): void { m.forward("b"); }`,
      "node_modules/@sandpiper/module/index.ts": "this is not a module",
    });
    await expect(compileModule({ projectDir: folder, release: false })).resolves.toBeDefined();
  });

  test("may use packages that the project has installed, or a folder above it", async () => {
    const folder = project({
      "part/package.json": '{"name":"part","version":"1"}',
      "part/assembly/index.ts": `${IMPORT}import { hello } from "greeting";
        @input("a") function a(m: Message): void { emitText("b", hello()); }`,
      "part/node_modules/greeting/index.ts":
        'import { name } from "world"; export function hello(): string { return "hello " + name(); }',
      "node_modules/world/index.ts": 'export function name(): string { return "world"; }',
    });
    const { wasm } = await compileModule({ projectDir: path.join(folder, "part"), release: false });
    expect(new TestGuest(wasm).run([{ body: "" }])[0]!.text).toBe("hello world");
  });
});

describe("a fault in the source", () => {
  test.for([
    ["of syntax", "function (", 2, 9, "identifier expected"],
    [
      "of types",
      '@input("a") function a(m: Message): void { const n: i32 = "x"; }',
      2,
      59,
      "is not assignable to type 'i32'",
    ],
    ["in a name", '@input("a b") function a(m: Message): void {}', 2, 1, 'input "a b": not a name'],
    [
      "in an input without a message",
      '@input("a") function a(n: i32): void {}',
      2,
      1,
      '"a" does not take a message',
    ],
    ["in an input without a name", "@input() function a(m: Message): void {}", 2, 1, "@input takes the name"],
    [
      "in two handlers of an input",
      '@input("a") function a(m: Message): void {}\n@input("a") function b(m: Message): void {}',
      3,
      1,
      'input "a" has two handlers',
    ],
    ["in a period", "@every(1.5) function a(): void {}", 2, 1, "@every takes whole milliseconds"],
    ["in a period of nothing", "@every(0) function a(): void {}", 2, 1, "@every takes whole milliseconds"],
    [
      "in a timer with parameters",
      "@every(5) function a(x: i32): void {}",
      2,
      1,
      'timer "a" takes parameters',
    ],
    [
      "in a method as handler",
      'class C { @input("a") a(m: Message): void {} }',
      2,
      11,
      "@input belongs on a function",
    ],
    [
      "in an output by a variable",
      '@input("a") function a(m: Message): void { const o = "x"; emitText(o, "b"); }',
      2,
      68,
      'the output "o" is not a literal',
    ],
    [
      "in a forward by a variable",
      '@input("a") function a(m: Message): void { m.forward(m.source); }',
      2,
      54,
      'the output "m.source" is not a literal',
    ],
    [
      "in an output's name",
      '@input("a") function a(m: Message): void { emitText("a/b", "b"); }',
      2,
      53,
      'output "a/b": not a name',
    ],
    ["without any handler", "export function a(): void {}", 1, 1, "module has no handler"],
    ["in an unknown import", 'import { x } from "./absent";', 2, 19, "absent"],
  ] as const)("%s is reported with its place", async ([, source, line, column, message]) => {
    const [first] = await diagnosticsOf(IMPORT + source);
    expect(first).toMatchObject({
      severity: "error",
      file: "assembly/index.ts",
      line,
      column,
      message: expect.stringContaining(message),
    });
    expect(first!.message).toMatch(/^[^A-Z].*[^.]$/);
  });

  test("comes with advice where there is some", async () => {
    const [output] = await diagnosticsOf(
      `${IMPORT}@input("a") function a(m: Message): void { emitText(m.source, ""); }`,
    );
    expect(output!.hint).toContain("the manifest must list every output");
    const error = await errorOf(
      compile(`${IMPORT}@input("a") function a(m: Message): void { emitText("b", Date.now().toString()); }`),
    );
    expect(error.message).toContain('imports "env.Date.now", which no gateway offers');
    expect(error.hint).toContain("clock.now()");
  });

  test("is reported for each place, not the first alone", async () => {
    const found = await diagnosticsOf(
      `${IMPORT}@input("a") function a(m: Message): void { emitText(m.source, ""); m.forward(""); }\n@every(0) function b(): void {}`,
    );
    expect(found.map(({ line }) => line)).toEqual([2, 2, 3]);
  });

  test("is not seen in a method of the author's own that is called forward", async () => {
    const { manifest } =
      await compile(`${IMPORT}class Robot { at: i32 = 0; forward(steps: i32): void { this.at += steps; } }
      @input("a") function a(m: Message): void { const r = new Robot(); r.forward(m.bodyLength); log.info(r.at.toString()); }`);
    expect(manifest.outputs).toEqual([]);
  });
});

describe("a project", () => {
  test.for([
    [{ "package.json": '{"name":"a b","version":"1"}' }, 'name "a b" cannot name a module'],
    [{ "package.json": '{"name":"ab"}' }, "version undefined is not a version"],
    [{ "package.json": "{" }, "package.json: not JSON"],
    [{ "asconfig.json": '{"targets":{}}' }, '"targets" is not supported'],
    [{ "asconfig.json": '{"options":{"transform":["./evil.js"]}}' }, '"transform" is not supported'],
    [{ "asconfig.json": '{"options":{"__proto__":1,"runtime":"stub"}}' }, "is not supported"],
    [{ "asconfig.json": '{"options":{"maximumMemory":0}}' }, "options.maximumMemory is 0"],
    [{ "asconfig.json": '{"options":{"maximumMemory":65536}}' }, "options.maximumMemory is 65536"],
    [{ "asconfig.json": '{"options":{"optimizeLevel":"9; rm"}}' }, "options.optimizeLevel is"],
    [{ "asconfig.json": '{"entries":[]}' }, "entries is not a list of one file"],
    [{}, "assembly/index.ts"],
  ] as const)("that cannot be built says what is wrong: %j", async ([files, message]) => {
    const error = await errorOf(compileModule({ projectDir: project(files), release: false }));
    expect(`${error.message} ${JSON.stringify(error.diagnostics)}`).toContain(message);
  });

  test("that is no project says how to make one", async () => {
    const error = await errorOf(compileModule({ projectDir: path.join(tmpdir(), "sandpiper-absent") }));
    expect(error.hint).toContain("sandpiper new");
  });
});

test("compilations at one time do not disturb each other, nor leave anything behind", async () => {
  const exit: unknown = Reflect.get(process, "exit");
  const source = (name: string): string =>
    `${IMPORT}@input("a") function a(m: Message): void { emitText("${name}", "x"); }`;
  const names = ["one", "two", "three"];
  const built = await Promise.all(names.map((name) => compile(source(name))));
  expect(built.map(({ manifest }) => manifest.outputs)).toEqual(names.map((name) => [name]));
  expect(Reflect.get(process, "exit")).toBe(exit);
});

test("a crash of the compiler is an error and does not end the process", async () => {
  const exit: unknown = Reflect.get(process, "exit");
  const crash = withoutExit(async () => {
    console.error("Whoops", 5);
    process.exit(1);
  });
  await expect(crash).rejects.toThrow(CompilerCrash);
  await expect(crash).rejects.toThrow("Whoops 5");
  expect(Reflect.get(process, "exit")).toBe(exit);
});

test("every import that the SDK can make is one that gateways offer", async () => {
  const { wasm } = await compileModule({
    source: `import { Message, clock, kv, log, random } from "@sandpiper/module";
      @input("a") function a(m: Message): void {
        log.info(m.source + clock.now().toString() + clock.monotonic().toString() + random.number().toString());
        kv.putNumber("a", kv.getNumber("a")); kv.remove("b"); kv.next("", "");
        console.log("x"); trace("y"); Math.random();
      }`,
  });
  const names = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).map(
    ({ module, name }) => `${module}.${name}`,
  );
  expect(names.sort()).toEqual(
    [...HOST_FUNCTIONS.map(({ name }) => `sandpiper_v1.${name}`), ...RUNTIME_IMPORTS].sort(),
  );
});

function trapOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("no trap");
}
