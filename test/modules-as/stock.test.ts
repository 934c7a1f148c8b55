import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { STOCK_DIR } from "../../toolchain/package-root.ts";
import { compileModule, type CompiledModule } from "../../toolchain/compile/compile.ts";
import { AnomalyReference } from "../support/anomaly-reference.ts";
import { SEED, randomFrom } from "./random.ts";
import { TestGuest, type TestEffect, type TestMessage } from "./test-guest.ts";

const compileStock = (name: string): Promise<CompiledModule> =>
  compileModule({ projectDir: path.join(STOCK_DIR, name) });

describe("simulated-temperature-sensor", () => {
  let sensor: CompiledModule;
  beforeAll(async () => {
    sensor = await compileStock("simulated-temperature-sensor");
  }, 60_000);

  test("has one timer of half a second, one output, and asks for the clock and randomness only", () => {
    expect(sensor.manifest).toMatchObject({
      inputs: [],
      outputs: ["temperatureOutput"],
      timers: [{ name: "measure", periodMs: 500 }],
      capabilities: ["clock", "random"],
    });
  });

  test("sends messages of the shape that Azure IoT Edge's sample sensor sends", () => {
    let nowMs = 1_700_000_000_000;
    const guest = new TestGuest(sensor.wasm, { nowMs: () => (nowMs += 500) });
    const [first] = guest.run([{ timer: 0 }]);
    expect(first!.properties).toEqual({ contentType: "application/json", contentEncoding: "utf-8" });
    const body = JSON.parse(first!.text!) as { timeCreated: string };
    expect(body).toEqual({
      machine: { temperature: expect.any(Number), pressure: expect.any(Number) },
      ambient: { temperature: expect.any(Number), humidity: expect.any(Number) },
      timeCreated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(new Date(body.timeCreated).getUTCFullYear()).toBe(2023);
  });

  test("warms up", () => {
    const guest = new TestGuest(sensor.wasm);
    const effects = guest.run(Array.from({ length: 100 }, () => ({ timer: 0 })));
    const temperatures = effects.map(
      ({ text }) => (JSON.parse(text!) as { machine: { temperature: number } }).machine.temperature,
    );
    expect(temperatures.at(-1)!).toBeGreaterThan(temperatures[0]! + 20);
  });

  test("keeps to a longer interval that its configuration gives", () => {
    let nowMs = 0;
    const guest = new TestGuest(sensor.wasm, { config: { intervalMs: 2000 }, nowMs: () => nowMs });
    let sent = 0;
    for (nowMs = 0; nowMs < 20_000; nowMs += 500) sent += guest.run([{ timer: 0 }]).length;
    expect(sent).toBe(10);
  });
});

describe("threshold-filter", () => {
  let filter: CompiledModule;
  beforeAll(async () => {
    filter = await compileStock("threshold-filter");
  }, 60_000);

  const reading = (temperature: unknown): TestMessage => ({
    body: JSON.stringify({ machine: { temperature, pressure: 1 } }),
    system: [{ id: 6, value: "application/json" }],
    properties: { site: "north" },
  });

  test("passes on what lies above 25 degrees, marked as an alert, with body and properties as they were", () => {
    const effects = new TestGuest(filter.wasm).run([reading(25), reading(25.1), reading(-3), reading("99")]);
    expect(effects).toHaveLength(1);
    expect(effects[0]).toMatchObject({
      cause: 1,
      text: reading(25.1).body,
      properties: { contentType: "application/json", site: "north", MessageType: "alert" },
    });
  });

  test("takes its threshold, and where the number is, from the configuration", () => {
    const guest = new TestGuest(filter.wasm, { config: { threshold: 3, property: "speed" } });
    const bodies = ['{"speed":2}', '{"speed":4}', "{}", "[5]", '{"machine":{"temperature":99}}'];
    expect(guest.run(bodies.map((body) => ({ body }))).map(({ cause }) => cause)).toEqual([1]);
  });

  test("traps on a message that is not JSON, so that it ends in the dead letters", () => {
    const guest = new TestGuest(filter.wasm);
    expect(() => guest.run([{ body: '{"machine": oops}' }])).toThrow("message body is not JSON at byte 12");
  });
});

describe("anomaly-detector", () => {
  let detector: CompiledModule;
  beforeAll(async () => {
    detector = await compileStock("anomaly-detector");
  }, 60_000);

  const config = { window: 20, warmUp: 12, k: 2.5 };
  const toRecord = ([source, value, id]: readonly [number, number, string]): TestMessage => ({
    sourceId: source,
    body: JSON.stringify({ timestamp: `t-${id}`, value }),
    system: [{ id: 1, value: id }],
  });
  const summary = ({ text, properties }: TestEffect): unknown => ({
    ...(JSON.parse(text!) as object),
    correlationId: properties!["correlationId"],
  });

  /** Readings of three sources, with a spike now and then. */
  function readings(count: number): [number, number, string][] {
    const random = randomFrom(SEED);
    return Array.from({ length: count }, (_, index) => {
      const source = 1 + Math.floor(random() * 3);
      const spike = random() < 0.03 ? (random() - 0.5) * 200 : 0;
      return [source, 70 + Math.sin(index / 30) * 5 + random() + spike, `m${index}`];
    });
  }

  test("finds exactly what a plain reference finds, however batches fall on instances", () => {
    const all = readings(1500);
    const reference = new AnomalyReference(config);
    const expected = all.flatMap(([source, value, id]) => {
      const alert = reference.add(`device${source}`, value);
      return alert === null ? [] : [{ ...alert, timestamp: `t-${id}`, correlationId: id }];
    });
    expect(expected.length, `SEED=${SEED}`).toBeGreaterThan(5);

    const random = randomFrom(SEED + 1);
    const guests = [0, 1, 2].map(() => new TestGuest(detector.wasm, { config }));
    const found: unknown[] = [];
    let kv = guests[0]!.kv;
    for (let from = 0; from < all.length;) {
      const guest = guests[Math.floor(random() * guests.length)]!;
      const to = from + 1 + Math.floor(random() * 60);
      guest.kv = kv;
      found.push(...guest.run(all.slice(from, to).map(toRecord)).map(summary));
      kv = guest.kv;
      from = to;
    }
    expect(found, `SEED=${SEED}`).toEqual(expected);
    for (const source of [1, 2, 3]) {
      const counted = kv.get(`count/device${source}`)!.readDoubleLE();
      expect(counted).toBe(all.filter(([from]) => from === source).length);
      expect(kv.get(`window/device${source}`)!.length).toBe(config.window * 8);
    }
  });

  test("finds nothing before the window has warmed up", () => {
    const guest = new TestGuest(detector.wasm, { config });
    const flat = Array.from({ length: 11 }, (_, index) => toRecord([1, 1 + (index % 2), `a${index}`]));
    expect(guest.run([...flat, toRecord([1, 1000, "spike"])]).length).toBe(0);
    expect(guest.run([toRecord([1, 5000, "spike"])]).length).toBe(1);
  });

  test("goes on with the newest readings when the configured window became shorter", () => {
    const guest = new TestGuest(detector.wasm, { config });
    guest.run(Array.from({ length: 30 }, (_, index) => toRecord([1, index, `a${index}`])));
    const shorter = new TestGuest(detector.wasm, { config: { ...config, window: 5 } });
    shorter.kv = guest.kv;
    shorter.run([toRecord([1, 30, "last"])]);
    const stored = shorter.kv.get("window/device1")!;
    expect([0, 1, 2, 3, 4].map((index) => stored.readDoubleLE(index * 8))).toEqual([26, 27, 28, 29, 30]);
  });

  test("rejects a reading without a number, and counts it not", () => {
    const guest = new TestGuest(detector.wasm, { config });
    const [effect] = guest.run([{ body: '{"value":"12"}' }]);
    expect(effect).toMatchObject({ kind: "verdict", reason: 'reading: "value" is not a number' });
    expect(guest.kv.size).toBe(0);
  });
});
