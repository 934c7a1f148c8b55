/** Microsoft's SDK over each transport while the gateway goes away, and comes back, or somebody else takes its place. */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import common from "azure-iot-common";
import device, { type Client, type Message, type ModuleClient } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { bodyOf, SdkGateway, within } from "./harness.ts";
import { TRANSPORTS, type Transport } from "./transports.ts";

/** The SDK tries again after 10 s at most, and the gateway is back in one. */
const BACK_MS = 40_000;
/** Of a test in which every client has to come back. */
const TEST_MS = 180_000;

const ENDS = ["SIGKILL", "SIGINT"] as const;
type End = (typeof ENDS)[number];

const placeOf = (transport: Transport, end: End): string => `${end}${transport}`;
const ROUTES = Object.fromEntries([
  ["up", "FROM /messages/* INTO $upstream"],
  ...ENDS.flatMap((end) => TRANSPORTS.map((transport) => placeOf(transport, end))).map((place) => [
    place,
    `FROM /messages/* WHERE $connectionDeviceId = 'source${place}' INTO BrokeredEndpoint("/modules/sink${place}/inputs/in")`,
  ]),
]) as Record<string, string>;

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start(ROUTES);
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

/** Sends numbered messages, several at once, until it is told to stop; resolves to how many. */
class Stream {
  readonly acknowledged: number[] = [];
  readonly #client: Client;
  readonly #lanes: Promise<void>[];
  #next = 0;
  #isStopped = false;

  constructor(client: Client, lanes: number) {
    this.#client = client;
    this.#lanes = Array.from({ length: lanes }, () => this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const n = this.#next++;
      await this.#client.sendEvent(new device.Message(String(n)));
      this.acknowledged.push(n);
      await setTimeout(5);
    }
  }

  async stop(): Promise<number> {
    this.#isStopped = true;
    await within("acknowledgements", Promise.all(this.#lanes), BACK_MS);
    return this.#next;
  }
}

interface Site {
  readonly place: string;
  readonly stream: Stream;
  readonly received: Set<number>;
  readonly desired: unknown[];
  readonly sink: ModuleClient;
}

/** A device that sends, and a module that receives, answers a method and follows its twin. Retries are the SDK's. */
async function site(transport: Transport, end: End): Promise<Site> {
  const place = placeOf(transport, end);
  const received = new Set<number>();
  const desired: unknown[] = [];
  const sink = await gateway.moduleClient(transport, await gateway.module(`sink${place}`));
  sink.on("inputMessage", (_input: string, message: Message) => {
    received.add(Number(message.getBytes().toString()));
    sink.complete(message, () => undefined);
  });
  // Over MQTT the SDK gives up on a connection that was reset: its samples open again, and so does everybody.
  sink.on("disconnect", () => void sink.open().catch(() => undefined));
  sink.onMethod("ping", (_request, response) => void response!.send(200));
  const twin = await sink.getTwin();
  twin.on("properties.desired.mode", (mode: unknown) => desired.push(mode));
  const source = await gateway.device(transport, await gateway.identity(`source${place}`));
  return { place, stream: new Stream(source, 3), received, desired, sink };
}

test.for(ENDS)(
  "after %s and a start each client goes on by itself, nothing acknowledged is lost, and all of it arrives (J1)",
  { timeout: TEST_MS },
  async (end) => {
    // The SDK's own libraries say there what they make of connections that end.
    const said = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    onTestFinished(() => said.mockRestore());
    const sites = await Promise.all(TRANSPORTS.map((transport) => site(transport, end)));
    const before = (one: Site) => one.stream.acknowledged.length > 20 && one.received.size > 10;
    await expect.poll(() => sites.every(before), { timeout: 20_000 }).toBe(true);
    await gateway.process.end(end);
    const acknowledged = sites.map(({ stream }) => [...stream.acknowledged]);
    await setTimeout(500);
    await gateway.process.start();
    const after = await Promise.all(sites.map(({ stream }) => stream.stop()));
    for (const [i, one] of sites.entries()) {
      const logged = new Set((await gateway.bodies(`source${one.place}`)).map(Number));
      const all = Array.from({ length: after[i]! }, (_, n) => n);
      expect({ over: one.place, lost: acknowledged[i]!.filter((n) => !logged.has(n)) }).toEqual({
        over: one.place,
        lost: [],
      });
      expect(all.filter((n) => !logged.has(n))).toEqual([]);
      await expect
        .poll(() => all.filter((n) => !one.received.has(n)).length, {
          timeout: BACK_MS,
          message: one.place,
        })
        .toBe(0);
      const moduleId = `sink${one.place}`;
      const call = { methodName: "ping", connectTimeoutInSeconds: 30 };
      expect(await gateway.management.invokeMethod({ moduleId }, call)).toMatchObject({ status: 200 });
      // The SDK does not say when it follows its twin again: a change before that is not told over AMQP.
      let mode = 0;
      const isTold = async () => {
        await gateway.management.changeTwin({ moduleId }, { section: "desired", patch: { mode: ++mode } });
        await setTimeout(100);
        return one.desired.at(-1) === mode;
      };
      await expect.poll(isTold, { timeout: BACK_MS, message: one.place }).toBe(true);
    }
    // Closing is a disconnect, too: it must open nothing any more.
    for (const { sink } of sites) sink.removeAllListeners("disconnect");
  },
);

describe.each(TRANSPORTS.map((first, i) => [first, TRANSPORTS[(i + 1) % 4]!] as const))(
  "one identity over %s, then over %s",
  (first, second) => {
    test("is the newer client's: the older one is told that it is connected no more", async () => {
      const identity = await gateway.identity(`moves-${first}`);
      const older = await gateway.device(first, identity);
      older.setRetryPolicy(new common.NoRetry());
      const gone = once(older, "disconnect");
      const newer = await gateway.device(second, identity);
      await within("end", gone);
      await within("acknowledgement", newer.sendEvent(new device.Message("mine")));
      expect(await gateway.connections()).toBe(1);
      await within("close", newer.close());
      await expect.poll(() => gateway.connections()).toBe(0);
      expect((await gateway.logged(identity.deviceId)).map(bodyOf)).toEqual(["mine"]);
    });
  },
);
