/** Direct method calls: what a request may say, and how a call ends. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeMethodRequest, METHOD_PAYLOAD_BYTES_MAX } from "../../../hub/methods/method-call.ts";
import { Methods, type MethodInvocation, type MethodTarget } from "../../../hub/methods/methods.ts";

const THERMO = { deviceId: "thermo", moduleId: null };
const OTHER = { deviceId: "gw", moduleId: "thermo" };

class Callee implements MethodTarget {
  readonly got: MethodInvocation[] = [];
  invoke(invocation: MethodInvocation): void {
    this.got.push(invocation);
  }
}

describe("a request", () => {
  test("has the contract's defaults", () => {
    expect(decodeMethodRequest({ methodName: "reboot" })).toEqual({
      name: "reboot",
      payload: Buffer.from("null"),
      responseTimeoutMs: 30_000,
      connectTimeoutMs: 0,
    });
    expect(decodeMethodRequest({ methodName: "x", payload: null }).payload.toString()).toBe("null");
  });

  test.each([
    ["no object", 7],
    ["no name", {}],
    ["an empty name", { methodName: "" }],
    ["a name of 101 characters", { methodName: "x".repeat(101) }],
    ["a payload of more than 128 KB", { methodName: "x", payload: "y".repeat(METHOD_PAYLOAD_BYTES_MAX) }],
    ["a response time-out below 5 s", { methodName: "x", responseTimeoutInSeconds: 4 }],
    ["a response time-out above 300 s", { methodName: "x", responseTimeoutInSeconds: 301 }],
    ["a time-out that is no number", { methodName: "x", connectTimeoutInSeconds: "1" }],
    ["a time-out that is not a number at all", { methodName: "x", connectTimeoutInSeconds: Number.NaN }],
  ])("with %s is refused", (_what, request) => {
    expect(() => decodeMethodRequest(request)).toThrow(
      expect.objectContaining({ code: "SP_METHOD_REQUEST" }),
    );
  });
});

describe("a call", () => {
  const callee = new Callee();
  let online: Callee | null = null;
  let methods: Methods;
  const call = (connectTimeoutInSeconds = 0) =>
    decodeMethodRequest({ methodName: "reboot", payload: { in: 5 }, connectTimeoutInSeconds });

  beforeEach(() => {
    vi.useFakeTimers();
    callee.got.length = 0;
    online = callee;
    methods = new Methods(({ deviceId, moduleId }) =>
      deviceId === "thermo" && moduleId === null ? online : null,
    );
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("ends with the callee's answer, whatever case its id comes back in", async () => {
    const result = methods.invoke(THERMO, call());
    const [{ rid, name, payload }] = callee.got as [MethodInvocation];
    expect([name, payload.toString()]).toEqual(["reboot", '{"in":5}']);
    methods.answered(THERMO, rid.toUpperCase(), 207, Buffer.from('{"ok":true}'));
    await expect(result).resolves.toEqual({ status: 207, payload: { ok: true } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("to somebody who is not there fails at once, or when the connect time-out is over", async () => {
    online = null;
    await expect(methods.invoke(THERMO, call())).rejects.toMatchObject({ code: "SP_METHOD_OFFLINE" });
    const waiting = methods.invoke(THERMO, call(20));
    waiting.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(20_000);
    await expect(waiting).rejects.toMatchObject({ code: "SP_METHOD_OFFLINE" });
  });

  test("goes out when the callee comes within the connect time-out, and once only", async () => {
    online = null;
    const result = methods.invoke(THERMO, call(20));
    await vi.advanceTimersByTimeAsync(19_000);
    methods.appeared(OTHER);
    expect(callee.got).toEqual([]);
    online = callee;
    methods.appeared(THERMO);
    methods.appeared(THERMO);
    expect(callee.got).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(29_000);
    methods.answered(THERMO, callee.got[0]!.rid, 200, Buffer.alloc(0));
    await expect(result).resolves.toEqual({ status: 200, payload: null });
  });

  test("without an answer ends with the response time-out, and a late answer is ignored", async () => {
    const result = methods.invoke(THERMO, call());
    result.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(30_000);
    await expect(result).rejects.toMatchObject({ code: "SP_METHOD_TIMEOUT", details: { target: "thermo" } });
    methods.answered(THERMO, callee.got[0]!.rid, 200, Buffer.alloc(0));
  });

  test("cannot be answered by anybody else", async () => {
    const result = methods.invoke(THERMO, call());
    methods.answered(OTHER, callee.got[0]!.rid, 200, Buffer.from('"forged"'));
    methods.answered(THERMO, callee.got[0]!.rid, 200, Buffer.from('"true"'));
    await expect(result).resolves.toEqual({ status: 200, payload: "true" });
  });

  test.each([
    ["no JSON", Buffer.from("{")],
    ["more than 128 KB", Buffer.alloc(METHOD_PAYLOAD_BYTES_MAX + 1, 0x20)],
  ])("that is answered with %s fails, and says so", async (_what, body) => {
    const result = methods.invoke(THERMO, call());
    methods.answered(THERMO, callee.got[0]!.rid, 200, body);
    await expect(result).rejects.toMatchObject({ code: "SP_METHOD_RESULT" });
  });

  test("beyond 64 to one callee is refused, and leaves room for others", async () => {
    const under = Array.from({ length: 64 }, () => methods.invoke(THERMO, call()));
    for (const promise of under) promise.catch(() => undefined);
    await expect(methods.invoke(THERMO, call())).rejects.toMatchObject({ code: "SP_METHOD_BUSY" });
    methods.answered(THERMO, callee.got[0]!.rid, 200, Buffer.alloc(0));
    const next = methods.invoke(THERMO, call());
    methods.answered(THERMO, callee.got.at(-1)!.rid, 201, Buffer.alloc(0));
    await expect(next).resolves.toMatchObject({ status: 201 });
    methods.close();
    await expect(under[1]).rejects.toMatchObject({ code: "SP_METHOD_TIMEOUT" });
  });
});
