/** The SDK's twin, methods and calls of others, as a module uses them: compiled, and run by the smallest host. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { FEATURE, REPLY_STATUS } from "../../abi/index.ts";
import { desiredRecord, methodRecord, replyRecord } from "../../hub/modules/feature-records.ts";
import { CompileError } from "../../toolchain/errors.ts";
import { compileModule, type CompiledModule } from "../../toolchain/compile/compile.ts";
import { GuestAbort, TestGuest, type TestRecord } from "./test-guest.ts";

const FIXTURE = new URL("../fixtures/modules-as/services.ts", import.meta.url);
const ALL = FEATURE.TWIN | FEATURE.METHODS | FEATURE.INVOKE;
const CORR = 2 ** 32 + 5;
/** Compiling, on a busy machine. */
const COMPILE_MS_MAX = 120_000;

let module: CompiledModule;
beforeAll(async () => {
  module = await compileModule({ source: readFileSync(FIXTURE, "utf8"), name: "services" });
}, COMPILE_MS_MAX);

const guest = (config: unknown = {}): TestGuest => new TestGuest(module.wasm, { config, features: ALL });
const record = (bytes: ArrayBuffer): TestRecord => ({ record: new Uint8Array(bytes) });
const desired = (patch: object, whole: object): TestRecord =>
  record(desiredRecord(3, Buffer.from(JSON.stringify(patch)), Buffer.from(JSON.stringify(whole))));
const method = (name: string, request: unknown = null): TestRecord =>
  record(methodRecord(CORR, Buffer.from(name), Buffer.from(JSON.stringify(request))));

test("what a module uses of them is in its manifest, with the ABI that has it", () => {
  expect(module.manifest).toMatchObject({
    abi: { major: 1, minor: 1 },
    methods: ["count", "echo", "fail", "nothing"],
    capabilities: ["log", "kv", "twin", "invoke"],
  });
});

describe("desired properties", () => {
  test("that change while the module runs reach @desired as a patch, and config as a whole", () => {
    const running = guest({ greeting: "hello", other: 1 });
    const [told] = running.run([desired({ greeting: "moin", other: null }, { greeting: "moin" })]);
    expect(JSON.parse(told!.text!)).toEqual({ patch: '{"greeting":"moin","other":null}', now: "moin" });
    const [, sent] = running.run([{ body: "x" }]);
    expect(sent!.properties).toMatchObject({ greeting: "moin" });
  });
});

describe("twin.report", () => {
  test("is an effect with the patch, beside what else the handler did", () => {
    const [report, sent] = guest().run([{ body: "x" }]);
    expect([report, sent!.kind]).toEqual([{ kind: "report", port: 0, cause: 0, text: '{"seen":1}' }, "emit"]);
  });
});

describe("a method", () => {
  test.for<[string, unknown, number, string]>([
    ["count", null, 200, '{"seen":0}'],
    ["echo", { grün: ["ö", 1.5, null] }, 200, '{"grün":["ö",1.5,null]}'],
    ["nothing", null, 204, ""],
    ["unheard-of", null, 404, '{"message":"the module has no such method"}'],
  ])("%s with %j is answered with its correlation", ([name, request, status, text]) => {
    expect(guest().run([method(name, request)])).toEqual([
      { kind: "reply", port: 0, cause: 0, corr: CORR, status, text },
    ]);
  });

  test("that throws says why, and undoes what it stored", () => {
    const running = guest();
    expect(() => running.run([method("fail", {})])).toThrow(new RegExp("cannot do this: fail"));
    expect(running.kv.size).toBe(0);
    expect(() => running.run([method("fail", {})])).toThrow(GuestAbort);
  });
});

describe("invoke", () => {
  test("is an effect with target, method, payload, and a correlation that finds the handler again", () => {
    const [invoked] = guest().run([{ body: "call press1 valve open" }]);
    const { corr, ...asked } = invoked!.invocation!;
    expect(asked).toEqual({
      deviceId: "press1",
      moduleId: "valve",
      name: "open",
      payload: '{"from":"services"}',
      timeoutSecs: 0,
    });
    const answer = record(replyRecord(corr, 207, Buffer.from('{"done":true}')));
    // Another instance than the one that asked: correlations need no memory.
    const [told] = guest().run([answer]);
    expect(JSON.parse(told!.text!)).toEqual({
      id: corr.lo,
      status: 207,
      text: '{"done":true}',
      answered: true,
    });
  });

  test("of somebody who is not there is a reply below 0", () => {
    const offline = replyRecord({ lo: 1, hi: 0 }, REPLY_STATUS.OFFLINE, Buffer.from('{"message":"no"}'));
    const [told] = guest().run([record(offline)]);
    expect(JSON.parse(told!.text!)).toMatchObject({ status: -404, answered: false });
  });
});

test("what does not fit is a compile error at its line", async () => {
  const source = `import { InvokeReply, Json, Message, MethodReply, MethodRequest, invoke } from "@sandpiper/module";
@method("reset")
export function onReset(request: MethodRequest): void {}
@method
export function onNameless(request: MethodRequest): MethodReply { return new MethodReply(204); }
@method("twice")
export function onOne(request: MethodRequest): MethodReply { return new MethodReply(204); }
@method("twice")
export function onOther(request: MethodRequest): MethodReply { return new MethodReply(204); }
@method("not a name")
export function onOdd(request: MethodRequest): MethodReply { return new MethodReply(204); }
@desired
export function onDesired(patch: Message): void {}
@desired()
export function onChange(patch: Json): void {}
@desired
export function onChangeToo(patch: Json): void {}
@reply("closed")
export function onClosed(reply: InvokeReply, more: i32): void {}
@input("in")
export function onMessage(message: Message): void {
  invoke("", "valve", "open", "", "opened");
  invoke("", "valve", "open", "", message.text());
}`;
  const error: unknown = await compileModule({ source }).catch((thrown: unknown) => thrown);
  const found = (error as CompileError).diagnostics!.map(({ line, message }) => `${line}: ${message}`);
  expect(found).toEqual([
    '2: @method: "onReset" is not (MethodRequest) => MethodReply',
    "4: @method takes the name of a method",
    '8: method "twice" has two handlers',
    '10: method "not a name": not a name',
    '12: @desired: "onDesired" is not (Json) => void',
    '16: change "desired" has two handlers',
    '18: @reply: "onClosed" is not (InvokeReply) => void',
    '22: invoke: nobody takes replies with the tag "opened"',
    '23: invoke: the tag "message.text()" is not a literal',
  ]);
});
