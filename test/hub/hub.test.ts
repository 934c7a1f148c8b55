/** The hub from outside: real sockets, a real store, foreign clients. */
import { expect, test } from "vitest";
import { startHub, type TestHub } from "../support/hub.ts";

async function events(hub: TestHub, count: number, from = 0): Promise<string[]> {
  const bodies: string[] = [];
  let next = from;
  while (bodies.length < count) {
    const page = await hub.hub.readEvents({ from: next, limit: 1000, waitMs: 5_000 });
    if (page.events.length === 0) throw new Error(`only ${bodies.length} of ${count} events`);
    bodies.push(...page.events.map(({ body }) => Buffer.from(body).toString()));
    next = page.next;
  }
  return bodies;
}

test("a device's message reaches the event log with its properties, its source and its place", async () => {
  await using hub = await startHub();
  await hub.routes({ all: "FROM /messages/* INTO $upstream" });
  const device = await hub.connect(await hub.identity("thermo1"));
  await device.publishAsync("devices/thermo1/messages/events/level=high&%24.mid=m-1/", "21.5", { qos: 1 });
  const { events } = await hub.hub.readEvents({ from: 0, limit: 10, waitMs: 1000 });
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ offset: 0, deviceId: "thermo1", moduleId: null, output: null });
  expect(events[0]!.properties).toMatchObject([{ name: "level", value: "high" }]);
  expect(events[0]!.systemProperties).toMatchObject([{ name: "messageId", value: "m-1" }]);
  expect(Buffer.from(events[0]!.body).toString()).toBe("21.5");
});

test("what was acknowledged is there after a restart, and offsets go on [J1 J8 J28]", async () => {
  const first = await startHub();
  await first.routes({ all: "FROM /messages/* INTO $upstream" });
  const identity = await first.identity("thermo1");
  const device = await first.connect(identity);
  for (let i = 0; i < 50; i++)
    await device.publishAsync("devices/thermo1/messages/events/", `m${i}`, { qos: 1 });
  await first.stop();

  await using second = await startHub({ dir: first.dir });
  expect(await second.hub.identities()).toHaveLength(1);
  const last = await second.hub.readEvents({ tail: 2, limit: 10, waitMs: 0 });
  expect(last.events.map(({ body }) => Buffer.from(body).toString())).toEqual(["m48", "m49"]);
  const again = await second.connect(identity);
  await again.publishAsync("devices/thermo1/messages/events/", "after", { qos: 1 });
  expect(await events(second, 51)).toEqual([...Array.from({ length: 50 }, (_, i) => `m${i}`), "after"]);
});

test("a message goes to every endpoint that matches, once each, by the best priority", async () => {
  await using hub = await startHub();
  await hub.routes({
    log: "FROM /messages/* INTO $upstream",
    hot: {
      route: 'FROM /messages/* WHERE level = "hot" INTO BrokeredEndpoint("/modules/sink/inputs/in")',
      priority: 1,
    },
    any: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")', priority: 5 },
  });
  const device = await hub.connect(await hub.identity("d"));
  await device.publishAsync("devices/d/messages/events/level=cold/", "a", { qos: 1 });
  await device.publishAsync("devices/d/messages/events/level=hot/", "b", { qos: 1 });
  expect(await events(hub, 2)).toEqual(["a", "b"]);
  const queues = (await hub.hub.queues()).filter(({ endpoint }) => endpoint === "sink/in");
  expect(queues.map(({ priority, length }) => [priority, length])).toEqual([
    [1, 1],
    [5, 1],
  ]);
});

test("a module gets the messages of its inputs in order, and again after it failed to settle them [J25]", async () => {
  await using hub = await startHub();
  await hub.routes({ r: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' });
  const device = await hub.connect(await hub.identity("d"));
  const identity = await hub.identity("gw", "sink");
  for (let i = 0; i < 20; i++)
    await device.publishAsync("devices/d/messages/events/a=1/", `m${i}`, { qos: 1 });

  const deaf = await hub.connect(identity, { manualConnect: false });
  const seen: string[] = [];
  const enough = new Promise<void>((resolve) => {
    // A client that takes messages and never acknowledges them.
    deaf.handleMessage = (packet) => {
      seen.push(String(packet.payload));
      if (seen.length === 1) resolve();
    };
  });
  await deaf.subscribeAsync("devices/gw/modules/sink/#", { qos: 1 });
  await enough;
  await deaf.endAsync(true);

  const heard: { topic: string; body: string }[] = [];
  const client = await hub.connect(identity);
  const done = new Promise<void>((resolve) => {
    client.on("message", (topic, body) => {
      heard.push({ topic, body: body.toString() });
      if (heard.length === 20) resolve();
    });
  });
  await client.subscribeAsync("devices/gw/modules/sink/#", { qos: 1 });
  await done;
  expect(heard.map(({ body }) => body)).toEqual(Array.from({ length: 20 }, (_, i) => `m${i}`));
  expect(heard[0]!.topic).toBe("devices/gw/modules/sink/inputs/in/%24.cdid=d&a=1");
});

test("a message that no route takes is acknowledged, dropped and counted", async () => {
  await using hub = await startHub();
  const device = await hub.connect(await hub.identity("d"));
  await device.publishAsync("devices/d/messages/events/", "lost", { qos: 1 });
  expect((await hub.hub.status()).counters["no_route"]).toBe(1);
});

test("an endpoint whose last route goes is kept until routes are settled, then deleted and told of [J28]", async () => {
  await using hub = await startHub();
  const route = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
  await hub.routes({ a: { route, priority: 3 } });
  const device = await hub.connect(await hub.identity("d"));
  for (let i = 0; i < 5; i++) await device.publishAsync("devices/d/messages/events/", "x", { qos: 1 });
  await hub.routes({ b: { route, priority: 5 } });
  expect((await hub.hub.queues()).find(({ priority }) => priority === 3)?.length).toBe(5);
  await hub.routes({});
  const ofSink = async () => (await hub.hub.queues()).filter(({ endpoint }) => endpoint === "sink/in");
  expect((await ofSink())[0]?.length).toBe(5);
  const [dropped] = await hub.hub.settleRoutes();
  expect(dropped).toMatchObject({ endpoint: "sink/in", messages: 5 });
  expect(dropped!.bytes).toBeGreaterThan(5 * 64);
  expect(await ofSink()).toEqual([]);
  expect(await hub.hub.settleRoutes()).toEqual([]);
  expect((await hub.hub.status()).counters["dropped_with_endpoint"]).toBe(5);
});

test("a wrong key, an unknown device and somebody else's topic get nowhere", async () => {
  await using hub = await startHub();
  await hub.routes({ all: "FROM /messages/* INTO $upstream" });
  const identity = await hub.identity("d");
  const wrong = { ...identity, primaryKey: Buffer.alloc(32, 7).toString("base64") };
  await expect(hub.connect(wrong)).rejects.toMatchObject({ code: 5 });
  await expect(hub.connect({ ...identity, deviceId: "nobody" })).rejects.toMatchObject({ code: 5 });
  const device = await hub.connect(identity);
  await device.publishAsync("devices/other/messages/events/", "forged", { qos: 1 });
  await device.publishAsync("devices/d/messages/events/", "own", { qos: 1 });
  expect(await events(hub, 1)).toEqual(["own"]);
});

test("a bad route leaves the old ones in force, and says which and where", async () => {
  await using hub = await startHub();
  await hub.routes({ all: "FROM /messages/* INTO $upstream" });
  await expect(hub.routes({ bad: "FROM /messages/* WHERE a == 1 INTO $upstream" })).rejects.toMatchObject({
    code: "SP_ROUTE_SYNTAX",
    details: { route: "bad", line: 1 },
  });
  const loop = 'FROM /messages/modules/a/* INTO BrokeredEndpoint("/modules/a/inputs/x")';
  await expect(hub.routes({ loop })).rejects.toMatchObject({ code: "SP_ROUTE_CYCLE" });
  const device = await hub.connect(await hub.identity("d"));
  await device.publishAsync("devices/d/messages/events/", "still", { qos: 1 });
  expect(await events(hub, 1)).toEqual(["still"]);
});

test("an expired message is not delivered [contract 10]", async () => {
  await using hub = await startHub();
  await hub.routes({
    r: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")', timeToLiveSecs: 1 },
  });
  const device = await hub.connect(await hub.identity("d"));
  await device.publishAsync("devices/d/messages/events/", "old", { qos: 1 });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await device.publishAsync("devices/d/messages/events/", "new", { qos: 1 });
  const client = await hub.connect(await hub.identity("gw", "sink"));
  const first = new Promise<string>((resolve) => client.on("message", (_, body) => resolve(body.toString())));
  await client.subscribeAsync("devices/gw/modules/sink/#", { qos: 1 });
  expect(await first).toBe("new");
  expect((await hub.hub.status()).counters["expired_ttl"]).toBe(1);
});

test("a module that names outputs without end loses those messages, and nobody else anything", async () => {
  await using hub = await startHub();
  await hub.routes({ all: "FROM /messages/modules/talker/* INTO $upstream" });
  const talker = await hub.connect(await hub.identity("gw", "talker"));
  const topic = (output: number): string => `devices/gw/modules/talker/messages/events/%24.on=o${output}/`;
  for (let i = 0; i < 70; i++) await talker.publishAsync(topic(i), `m${i}`, { qos: 1 });
  await talker.publishAsync(topic(3), "known", { qos: 1 });
  expect((await events(hub, 65)).at(-1)).toBe("known");
  expect(hub.failures).toEqual([]);
  expect((await hub.hub.status()).counters["unknown_topic"]).toBe(6);
});

test("a consumer without acknowledgements gets a large backlog at the pace of its socket", async () => {
  await using hub = await startHub();
  await hub.routes({ r: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' });
  const device = await hub.connect(await hub.identity("d"));
  const body = Buffer.alloc(100_000, 1);
  const count = 150;
  await Promise.all(
    Array.from({ length: count }, () => device.publishAsync("devices/d/messages/events/", body, { qos: 1 })),
  );
  const client = await hub.connect(await hub.identity("gw", "sink"));
  let heard = 0;
  const done = new Promise<void>((resolve) =>
    client.on("message", () => void (++heard === count && resolve())),
  );
  const begun = performance.now();
  await client.subscribeAsync("devices/gw/modules/sink/#", { qos: 0 });
  await done;
  expect(performance.now() - begun).toBeLessThan(4_000); // not in bursts of the lazy cursor, one each five seconds
});
