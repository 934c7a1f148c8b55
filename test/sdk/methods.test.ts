/** Direct methods that Microsoft's SDK answers, of devices and of modules, over each transport. */
import type { Client, DeviceMethodRequest, DeviceMethodResponse, ModuleClient } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SdkGateway, within, type SdkIdentity } from "./harness.ts";
import { TRANSPORTS, type Transport } from "./transports.ts";

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start();
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

type Handler = (request: DeviceMethodRequest, response: DeviceMethodResponse) => void;

/** A client that takes calls of this method. */
async function callee(
  transport: Transport,
  identity: SdkIdentity,
  method: string,
  handler: Handler,
): Promise<Client | ModuleClient> {
  if (identity.moduleId === undefined) {
    const client = await gateway.device(transport, identity);
    client.onDeviceMethod(method, handler);
    return client;
  }
  const client = await gateway.moduleClient(transport, identity);
  client.onMethod(method, (request, response) => handler(request!, response!));
  return client;
}

/** The SDK does not say when it takes calls: who calls waits for it. */
const call = (identity: SdkIdentity, methodName: string, more: object = {}) =>
  within(
    "answer",
    gateway.management.invokeMethod(identity, { methodName, connectTimeoutInSeconds: 5, ...more }),
  );

const PAYLOADS = [
  { nested: { seconds: [5, 0.5, -1] }, text: "ä/🔥" },
  ["list", null, true],
  "text",
  0,
  true,
  null,
  {},
];

describe.each(TRANSPORTS)("over %s", (transport) => {
  test.for(["device", "module"] as const)(
    "a %s is called with any JSON, and its answer comes back with its own status",
    async (kind) => {
      const identity = await gateway.identity(`callee-${transport}`, kind === "module" ? "m" : undefined);
      await callee(transport, identity, "echo", (request, response) => {
        void response.send(202, { had: request.payload as unknown });
      });
      for (const payload of PAYLOADS) {
        expect(await call(identity, "echo", { payload })).toEqual({ status: 202, payload: { had: payload } });
      }
      expect(await call(identity, "echo")).toEqual({ status: 202, payload: { had: null } });
    },
  );

  test("an answer may be anything, or nothing", async () => {
    const identity = await gateway.identity(`answers-${transport}`);
    let answer: unknown;
    await callee(transport, identity, "ask", (_request, response) => void response.send(500, answer));
    for (answer of ["text", 7, [1], null]) {
      expect(await call(identity, "ask")).toEqual({ status: 500, payload: answer });
    }
    answer = undefined;
    expect(await call(identity, "ask")).toEqual({ status: 500, payload: null });
  });

  test("twenty calls at once are each answered with their own", async () => {
    const identity = await gateway.identity(`busy-${transport}`);
    await callee(transport, identity, "double", ({ payload }, response) => {
      setTimeout(() => void response.send(200, (payload as number) * 2), 20 - (payload as number));
    });
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    const answers = await Promise.all(numbers.map((payload) => call(identity, "double", { payload })));
    expect(answers.map(({ payload }) => payload)).toEqual(numbers.map((n) => 2 * n));
  });

  test("who is not there, or no longer, is offline at once", async () => {
    const identity = await gateway.identity(`offline-${transport}`);
    const now = { connectTimeoutInSeconds: 0 };
    await expect(call(identity, "ping", now)).rejects.toMatchObject({ code: "SP_METHOD_OFFLINE" });
    const client = await callee(transport, identity, "ping", (_request, response) => void response.send(200));
    expect(await call(identity, "ping")).toMatchObject({ status: 200 });
    await client.close();
    await expect(call(identity, "ping", now)).rejects.toMatchObject({ code: "SP_METHOD_OFFLINE" });
  });
});

test("a method that nobody knows, or that is not answered, times out for its caller alone", async () => {
  await Promise.all(
    TRANSPORTS.map(async (transport) => {
      const identity = await gateway.identity(`silent-${transport}`);
      const handlers = new Map<string, Handler>([
        ["silent", () => undefined],
        ["ping", (_request, response) => void response.send(200)],
      ]);
      const client = await gateway.device(transport, identity);
      for (const [method, handler] of handlers) client.onDeviceMethod(method, handler);
      expect(await call(identity, "ping")).toMatchObject({ status: 200 });
      const late = ["silent", "unknown"].map((method) =>
        call(identity, method, { responseTimeoutInSeconds: 5 }),
      );
      const ends = Promise.allSettled(late);
      expect(await call(identity, "ping")).toMatchObject({ status: 200 });
      expect(await ends).toMatchObject([
        { reason: { code: "SP_METHOD_TIMEOUT" } },
        { reason: { code: "SP_METHOD_TIMEOUT" } },
      ]);
    }),
  );
});
