/** The registry of clients, with channels of no protocol in particular. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CLOCK_SKEW_MS } from "../../../hub/identity/sas.ts";
import { TWIN_REQUESTS_MAX } from "../../../hub/clients/client.ts";
import { ClientBench, FakeChannel } from "../../support/client-bench.ts";
import { GATEWAY } from "../../support/hub.ts";

const DEVICE = { deviceId: "d", moduleId: null };
const MODULE = { deviceId: GATEWAY, moduleId: "m" };
const FOREVER = Infinity;

describe("an identity", () => {
  test("is the newest channel's, whatever protocol either speaks; the older one is told, and does nothing more", async () => {
    await using bench = new ClientBench();
    const identity = await bench.identity("d");
    const first = new FakeChannel();
    const old = bench.clients.attach(DEVICE, first, FOREVER);
    old.interest("methods", true);
    const mqtt = await bench.connect(identity);
    expect(first.ends).toEqual(["taken_over"]);
    expect([old.isLive, bench.clients.count]).toEqual([false, 1]);

    const gone = new Promise<void>((resolve) => mqtt.once("close", () => resolve()));
    const second = new FakeChannel();
    bench.clients.attach(DEVICE, second, FOREVER);
    await gone;
    expect([second.ends, bench.clients.count]).toEqual([[], 1]);
    old.detach();
    expect(bench.clients.count).toBe(1);
  });

  test.for(["identity_removed", "identity_disabled"] as const)(
    "that is ended (%s) is so at once",
    async (why) => {
      await using bench = new ClientBench();
      const channel = new FakeChannel();
      bench.clients.attach(DEVICE, channel, FOREVER);
      bench.clients.end({ deviceId: "other", moduleId: null }, why);
      expect(channel.ends).toEqual([]);
      bench.clients.end(DEVICE, why);
      expect([channel.ends, bench.clients.count]).toEqual([[why], 0]);
    },
  );
});

describe("a token", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  test("that ends closes what was opened with it, and a newer one shown in time keeps it open", async () => {
    const bench = new ClientBench({
      clock: { monotonic: () => Date.now(), wall: () => Date.now() },
    });
    const [short, renewed, eternal] = [new FakeChannel(), new FakeChannel(), new FakeChannel()];
    const end = Date.now() + 10_000;
    bench.clients.attach({ deviceId: "short", moduleId: null }, short, end);
    const client = bench.clients.attach({ deviceId: "renewed", moduleId: null }, renewed, end);
    bench.clients.attach({ deviceId: "eternal", moduleId: null }, eternal, FOREVER);
    await vi.advanceTimersByTimeAsync(10_000 + CLOCK_SKEW_MS - 1);
    expect([short.ends, renewed.ends]).toEqual([[], []]);
    bench.clients.renew(client, end + 20_000);
    await vi.advanceTimersByTimeAsync(10);
    expect([short.ends, renewed.ends, eternal.ends]).toEqual([["token_expired"], [], []]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect([renewed.ends, eternal.ends]).toEqual([["token_expired"], []]);
    await vi.advanceTimersByTimeAsync(24 * 3_600_000);
    expect(eternal.ends).toEqual([]);
    vi.useRealTimers();
    await bench[Symbol.asyncDispose]();
  });
});

describe("a module's client", () => {
  test("consumes the inputs that routes lead to, and follows when they change", async () => {
    await using bench = new ClientBench();
    const channel = new FakeChannel();
    const client = bench.clients.attach(MODULE, channel, FOREVER);
    await bench.bench.route('FROM /messages/* INTO BrokeredEndpoint("/modules/m/inputs/a")');
    bench.clients.routesChanged();
    expect(channel.inputNames).toEqual([]);
    client.interest("inputs", true);
    await bench.bench.route('FROM /messages/* INTO BrokeredEndpoint("/modules/m/inputs/b")');
    bench.clients.routesChanged();
    client.interest("inputs", false);
    // An input that lost its route keeps its queue until the deployment is there to stay.
    expect(channel.inputNames).toEqual([["a"], ["a", "b"], []]);
  });

  test("consumes nothing of a module that runs in a sandbox, nor of another gateway's", async () => {
    await using bench = new ClientBench();
    await bench.bench.route('FROM /messages/* INTO BrokeredEndpoint("/modules/m/inputs/in")');
    await bench.bench.module("m");
    const channel = new FakeChannel();
    bench.clients.attach(MODULE, channel, FOREVER).interest("inputs", true);
    const foreign = bench.clients.attach({ deviceId: "leaf", moduleId: "m" }, channel, FOREVER);
    foreign.interest("inputs", true);
    expect(channel.inputNames).toEqual([[], []]);
  });
});

describe("requests of a twin", () => {
  test("beyond what one client may have waiting are refused, and leave no trace", async () => {
    await using bench = new ClientBench();
    await bench.identity("d");
    const client = bench.clients.attach(DEVICE, new FakeChannel(), FOREVER);
    const release = bench.bench.holdCommits();
    const answers = Array.from({ length: TWIN_REQUESTS_MAX + 1 }, (_, i) =>
      client.patchReported(Buffer.from(`{"n":${i}}`)),
    );
    expect(await answers.pop()).toMatchObject({ status: 429 });
    release();
    expect(await Promise.all(answers)).toHaveLength(TWIN_REQUESTS_MAX);
    expect((await bench.twins.get(DEVICE)).reported).toMatchObject({
      values: { n: TWIN_REQUESTS_MAX - 1 },
      version: TWIN_REQUESTS_MAX + 1,
    });
    expect(await client.twin()).toMatchObject({ status: 200 });
  });

  test.for([
    ["no JSON", "{"],
    ["no object", "7"],
    ["arrays a hundred thousand deep", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["a key with a dollar", '{"a":{"$b":1}}'],
  ])("with %s are refused with a body that says why", async ([, body]) => {
    await using bench = new ClientBench();
    await bench.identity("d");
    const client = bench.clients.attach(DEVICE, new FakeChannel(), FOREVER);
    const answer = await client.patchReported(Buffer.from(body!));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ errorCode: 400_000 });
  });
});

describe("a change that is not durable", () => {
  test("is told to nobody: not to who made it, not to who reads it, not to who is pushed it [J1]", async () => {
    await using bench = new ClientBench();
    await bench.identity("d");
    const channel = new FakeChannel();
    const client = bench.clients.attach(DEVICE, channel, FOREVER);
    client.interest("desired", true);
    const told: string[] = [];
    const release = bench.bench.holdCommits();
    void bench.twins
      .change(DEVICE, { section: "desired", patch: { a: 1, $version: 99 } })
      .then(() => told.push("operator"));
    void client.patchReported(Buffer.from('{"b":2}')).then(() => told.push("client"));
    void client.twin().then(() => told.push("reader"));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect([told, channel.patches]).toEqual([[], []]);
    release();
    await vi.waitUntil(() => told.length === 3);
    expect(channel.patches).toEqual(['{"a":1,"$version":2}']);
  });

  test("does not hold up who reads another twin", async () => {
    await using bench = new ClientBench();
    await bench.identity("d");
    await bench.identity("other");
    const release = bench.bench.holdCommits();
    void bench.twins.change(DEVICE, { section: "tags", patch: { a: 1 } });
    expect(await bench.twins.get({ deviceId: "other", moduleId: null })).toMatchObject({ version: 1 });
    release();
  });
});

describe("an MQTT session that outlives its connections", () => {
  test("is made and changed before the client is told so [J1]", async () => {
    await using bench = new ClientBench();
    const identity = await bench.identity("d");
    const told: string[] = [];
    let release = bench.bench.holdCommits();
    const connecting = bench.connect(identity, { clean: false }).then((client) => {
      told.push("connected");
      return client;
    });
    await vi.waitUntil(() => bench.clients.count === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(told).toEqual([]);
    release();
    const client = await connecting;

    release = bench.bench.holdCommits();
    const subscribing = client.subscribeAsync("$iothub/methods/POST/#").then(() => told.push("subscribed"));
    await vi.waitUntil(() => bench.clients.methodTarget(DEVICE) !== null);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(told).toEqual(["connected"]);
    release();
    await subscribing;
  });

  test("takes acknowledgements of twin patches in turn, when they are durable [J1 J24]", async () => {
    await using bench = new ClientBench();
    const identity = await bench.identity("d");
    const client = await bench.connect(identity);
    const acked: string[] = [];
    const publish = (topic: string, body: string, name: string) =>
      client.publishAsync(topic, body, { qos: 1 }).then(() => acked.push(name));
    const release = bench.bench.holdCommits();
    const all = [
      publish("$iothub/twin/PATCH/properties/reported/?$rid=1", '{"a":1}', "patch"),
      publish("devices/d/messages/events/", "no route", "message"),
      publish("$iothub/twin/PATCH/properties/reported/?$rid=2", "{", "refused"),
    ];
    await vi.waitUntil(() => bench.bench.engine.metrics.received === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(acked).toEqual([]);
    release();
    await Promise.all(all);
    expect(acked).toEqual(["patch", "message", "refused"]);
  });
});
