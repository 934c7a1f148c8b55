import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HubKeeper, remakePauseMs } from "../../../host/gateway/hub-keeper.ts";
import { STORE_DEFAULTS, type HubConfig } from "../../../hub/index.ts";
import { createFakeHub, quietLog, type FakeHub } from "../fake-parts.ts";

const MINUTE_MS = 60_000;
const config: HubConfig = {
  gatewayId: "gw",
  storeDir: "/nowhere",
  listeners: [{ protocol: "mqtt", host: "127.0.0.1", port: 0, portsToTry: 20 }],
  store: STORE_DEFAULTS,
};

let hubs: FakeHub[];
let remade: number;
let refusal: Error | null;
let keeper: HubKeeper;

beforeEach(() => {
  vi.useFakeTimers();
  hubs = [];
  remade = 0;
  refusal = null;
  keeper = new HubKeeper({
    createHub() {
      const hub = createFakeHub([], () => {
        if (refusal) throw refusal;
      });
      hubs.push(hub);
      return hub;
    },
    log: quietLog,
    nowMs: () => Date.now(),
    onRemade: () => void remade++,
  });
});
afterEach(() => void vi.useRealTimers());

test("a hub that failed is made again, and who holds the hub notices nothing but a pause", async () => {
  await keeper.start(config);
  hubs[0]!.fail("disk: EIO");
  await vi.advanceTimersByTimeAsync(0);
  await expect(keeper.hub.identities()).rejects.toMatchObject({ code: "SP_HUB_DOWN" });
  await vi.advanceTimersByTimeAsync(100);
  expect(await keeper.hub.identities()).toEqual([]);
  expect(remade).toBe(1);
  expect(keeper.status()).toEqual({ state: "ok", restarts: 1, failure: "disk: EIO" });
});

test("a hub made again listens on the port that its clients know", async () => {
  await keeper.start(config);
  hubs[0]!.fail("gone");
  await vi.advanceTimersByTimeAsync(100);
  expect(hubs[1]!.configs[0]!.listeners[0]).toMatchObject({ port: 40_000, portsToTry: 0 });
});

test("a hub made again shows the certificates that were replaced meanwhile, also while there was none", async () => {
  const tls = { key: "k0", cert: "c0" };
  const secure = { protocol: "mqtts", host: "127.0.0.1", port: 0, tls } as const;
  await keeper.start({ ...config, listeners: [...config.listeners, secure] });
  const shown: unknown[] = [];
  hubs[0]!.setCertificates = async (certificates) => void shown.push(certificates);
  await keeper.setCertificates([{ listener: 1, key: "k1", cert: "c1" }]);
  expect(shown).toEqual([[{ listener: 1, key: "k1", cert: "c1" }]]);
  hubs[0]!.fail("gone");
  await vi.advanceTimersByTimeAsync(100);
  expect(hubs[1]!.configs[0]!.listeners[1]!.tls).toEqual({ key: "k1", cert: "c1" });
  hubs[1]!.fail("gone");
  await keeper.setCertificates([{ listener: 1, key: "k2", cert: "c2" }]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(hubs[2]!.configs[0]!.listeners.map((listener) => listener.tls)).toEqual([
    undefined,
    { key: "k2", cert: "c2" },
  ]);
});

test("the third failure within ten minutes is the last (J18)", async () => {
  await keeper.start(config);
  for (const hub of [0, 1, 2]) {
    hubs[hub]!.fail(`failure ${hub}`);
    await vi.advanceTimersByTimeAsync(5_000);
  }
  await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
  expect(hubs).toHaveLength(3);
  expect(keeper.status().state).toBe("failed");
  await expect(keeper.hub.queues()).rejects.toThrow("given up after repeated failures, the last: failure 2");
});

test("failures far apart are each a first one", async () => {
  await keeper.start(config);
  for (let n = 0; n < 6; n++) {
    hubs.at(-1)!.fail("gone");
    await vi.advanceTimersByTimeAsync(6 * MINUTE_MS);
  }
  expect(keeper.status()).toMatchObject({ state: "ok", restarts: 6 });
});

test("a start that fails when made again counts as a failure", async () => {
  await keeper.start(config);
  refusal = new Error("store: unreadable");
  hubs[0]!.fail("gone");
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(keeper.status()).toMatchObject({ state: "failed", failure: "store: unreadable" });
});

test("a first start that fails is the caller's to hear of, and is not tried again", async () => {
  refusal = new Error("port 1883 is busy");
  await expect(keeper.start(config)).rejects.toThrow("port 1883 is busy");
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(hubs).toHaveLength(1);
});

test("a closed keeper makes no more hubs", async () => {
  await keeper.start(config);
  hubs[0]!.fail("gone");
  await vi.advanceTimersByTimeAsync(0);
  await keeper.close();
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(hubs).toHaveLength(1);
});

test("a keeper that is closed while its hub starts closes that one", async () => {
  const starting = keeper.start(config);
  const closeHub = vi.spyOn(hubs[0]!, "close");
  await keeper.close();
  await starting;
  expect(closeHub).toHaveBeenCalledOnce();
});

test.for([
  ["one failure", [0], 1, 50],
  ["two failures", [0, 1_000], 1_001, 2_000],
  ["three failures", [0, 1_000, 2_000], 2_001, null],
  ["old failures", [0, 1_000, 11 * MINUTE_MS], 11 * MINUTE_MS, 50],
] as const)("after %s the pause follows from those of the last ten minutes", ([, failures, now, pause]) => {
  expect(remakePauseMs(failures, now)).toBe(pause);
});
