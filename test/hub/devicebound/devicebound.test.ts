/** Queues of devices: what is taken, how a message ends, what is told of it, and what a crash leaves. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Ack } from "../../../hub/face.ts";
import { LOCK_MS } from "../../../hub/devicebound/devicebound.ts";
import type { WindowConsumer } from "../../support/faults/window-consumer.ts";
import { DeviceboundBench } from "../../support/devicebound-bench.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

beforeEach(
  () => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }),
);
afterEach(() => void vi.useRealTimers());

const turns = async (count = 6): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Whatever was stepped is durable. */
const durable = async (bench: DeviceboundBench): Promise<void> => {
  await turns();
  await bench.bench.engine.journal.durable();
};

async function benchWith(...texts: readonly string[]): Promise<DeviceboundBench> {
  const bench = new DeviceboundBench();
  for (const text of texts) await bench.send("d", text, { ack: "full" });
  return bench;
}

/** Power is gone: nothing more is written. */
async function crash(bench: DeviceboundBench): Promise<DeviceboundBench> {
  bench.bench.store.beforeCommit = () => new Promise(() => undefined);
  await turns();
  vi.clearAllTimers();
  return new DeviceboundBench({ before: bench });
}

const settle = (consumer: WindowConsumer, index: number, outcome: "accepted" | "rejected" | "released") =>
  consumer.window.settle(consumer.got[index]!.sequence, outcome);
const got = (consumer: WindowConsumer): string[] =>
  consumer.got.map(({ body, attempt }) => `${body}/${attempt}`);

describe("a message", () => {
  test("is told to have been sent, listed and delivered only when it is durable [J1]", async () => {
    await using bench = await benchWith("first");
    const consumer = bench.consumer("d");
    const release = bench.bench.holdCommits();
    const answers: string[] = [];
    void bench.send("d", "second").then(({ messageId }) => answers.push(messageId));
    void bench.waiting("d").then((ids) => answers.push(...ids));
    await turns();
    expect([answers, got(consumer)]).toEqual([[], ["first/0"]]);
    release();
    await durable(bench);
    expect(answers.toSorted()).toEqual(["first", "second", "second"]);
    expect(got(consumer)).toEqual(["first/0", "second/0"]);
  });

  test("is one of fifty that wait, and the next is taken as soon as one of them ends [J6]", async () => {
    await using bench = await benchWith();
    await Promise.all(Array.from({ length: 50 }, (_, i) => bench.send("d", `m${i}`)));
    await expect(bench.send("d", "too many")).rejects.toMatchObject({ code: "SP_C2D_FULL" });
    expect((await bench.send("other", "x")).waiting).toBe(1);
    const consumer = bench.consumer("d");
    settle(consumer, 30, "accepted"); // the cursor stays where it is
    expect((await bench.send("d", "fits")).waiting).toBe(50);
    await expect(bench.send("d", "too many")).rejects.toMatchObject({ code: "SP_C2D_FULL" });
  });

  test("is refused while the store is full, and for nobody", async () => {
    await using bench = await benchWith();
    await expect(bench.send("unknown", "x")).rejects.toMatchObject({ code: "SP_IDENTITY_UNKNOWN" });
    bench.bench.engine.boundStore(0);
    await expect(bench.send("d", "x")).rejects.toMatchObject({ code: "SP_C2D_FULL" });
  });

  test.for<readonly [string, object]>([
    ["a field that nobody knows", { bodi: 1 }],
    ["no body", { body: "text" }],
    ["an ack that is none", { ack: "all" }],
    ["an id that is empty", { messageId: "" }],
    ["a time to live of half a minute", { timeToLiveSecs: 30 }],
    ["a time to live of three days", { timeToLiveSecs: 3 * 24 * 3600 }],
    ["a time to live and an expiry", { timeToLiveSecs: 60, expiry: "2027-01-01T01:00:00Z" }],
    ["an expiry that is over", { expiry: "2026-12-31T23:59:59Z" }],
    ["an expiry without a zone", { expiry: "2027-01-01T01:00:00" }],
    ["an expiry in three days", { expiry: "2027-01-04T00:00:00Z" }],
    ["a property that is no text", { properties: { a: 1 } }],
    ["a property without a name", { properties: { "": "x" } }],
    ["a property that would be the message's id", { properties: { "$.mid": "x" } }],
    ["a property that would be the hub's", { properties: { "iothub-ack": "full" } }],
    ["properties that are a list", { properties: ["a"] }],
    [
      "more properties than a frame holds",
      { properties: Object.fromEntries(Array.from({ length: 121 }, (_, i) => [`p${i}`, ""])) },
    ],
    [
      "more than 64 KB with its properties",
      { body: Buffer.alloc(65_000), properties: { a: "x".repeat(500) } },
    ],
  ])("with %s is refused, and no queue is made", async ([, more]) => {
    await using bench = await benchWith();
    await expect(bench.send("d", "x", more)).rejects.toMatchObject({ code: "SP_C2D_MESSAGE" });
    expect([bench.devicebound.queueOf("d"), bench.opened]).toEqual([null, []]);
  });
});

describe("an end", () => {
  type End = "accepted" | "rejected" | "deliveries" | "expired" | "purged";
  const STATUS: Readonly<Record<End, string>> = {
    accepted: "Success",
    rejected: "Rejected",
    deliveries: "DeliveryCountExceeded",
    expired: "Expired",
    purged: "Purged",
  };

  async function bring(bench: DeviceboundBench, end: End): Promise<void> {
    const consumer = bench.consumer("d");
    if (end === "accepted" || end === "rejected") settle(consumer, 0, end);
    if (end === "deliveries") for (let i = 0; i < 10; i++) settle(consumer, i, "released");
    if (end === "purged") await bench.devicebound.purge("d");
    if (end === "expired") {
      consumer.window.close();
      bench.advance(HOUR);
      bench.devicebound.sweep();
    }
    await durable(bench);
  }

  const CASES = Object.keys(STATUS).flatMap((end) =>
    (["none", "positive", "negative", "full"] as const).map((ack) => [end as End, ack] as const),
  );
  test.for<readonly [End, Ack]>(CASES)(
    "that is %s is told to who asked for %s, or not",
    async ([end, ack]) => {
      await using bench = await benchWith();
      await bench.send("d", "m", { ack });
      await bring(bench, end);
      const isTold = ack === "full" || ack === (end === "accepted" ? "positive" : "negative");
      expect(await bench.records()).toEqual(
        isTold
          ? [
              {
                offset: 0,
                originalMessageId: "m",
                enqueuedTimeUtc: new Date(bench.time.wall).toISOString(),
                statusCode: STATUS[end],
                description: expect.any(String) as string,
                deviceId: "d",
                deviceGenerationId: "g-d",
              },
            ]
          : [],
      );
      const isLetter = end === "rejected" || end === "deliveries";
      expect(bench.bench.waiting("$dlq/$c2d/d")).toEqual(isLetter ? ["m"] : []);
      expect(await bench.waiting("d")).toEqual([]);
    },
  );

  test("and its feedback are one step: a crash leaves both or neither, out of turn too [J2 J9]", async () => {
    const bench = await benchWith("a", "b", "c");
    settle(bench.consumer("d"), 1, "accepted");
    const lost = await crash(bench);
    expect([await lost.waiting("d"), await lost.feedback()]).toEqual([["a", "b", "c"], []]);
    const consumer = lost.consumer("d");
    settle(consumer, 1, "accepted");
    settle(consumer, 2, "rejected");
    await durable(lost);
    await using after = await crash(lost);
    expect([await after.waiting("d"), await after.feedback()]).toEqual([["a"], ["b Success", "c Rejected"]]);
    expect(got(after.consumer("d"))).toEqual(["a/1"]);
  });

  test("is durable without anybody waiting for it: a completed message is not repeated after a crash", async () => {
    await using bench = await benchWith();
    await bench.send("d", "m");
    settle(bench.consumer("d"), 0, "accepted");
    await turns();
    await using after = await crash(bench);
    expect(await after.waiting("d")).toEqual([]);
  });

  test("by an operator takes what the device has in hand, which settles nothing any more", async () => {
    await using bench = await benchWith("a", "b");
    const consumer = bench.consumer("d");
    expect(await bench.devicebound.purge("d")).toEqual({ purged: 2 });
    expect(settle(consumer, 0, "accepted")).toBe(false);
    expect(await bench.feedback()).toEqual(["a Purged", "b Purged"]);
    expect(await bench.devicebound.purge("d")).toEqual({ purged: 0 });
  });
});

describe("a lock", () => {
  test("of a minute over, a message is offered again and counted, and the first delivery means nothing", async () => {
    await using bench = await benchWith("m");
    const consumer = bench.consumer("d");
    const over: number[] = [];
    consumer.onLockOver = (sequence) => over.push(sequence);
    vi.advanceTimersByTime(LOCK_MS - 1);
    expect([got(consumer), over]).toEqual([["m/0"], []]);
    vi.advanceTimersByTime(1);
    expect([got(consumer), over]).toEqual([["m/0", "m/1"], [consumer.got[0]!.sequence]]);
    vi.advanceTimersByTime(100); // counts are saved a little later
    expect(await bench.devicebound.list("d")).toMatchObject([{ deliveryCount: 2 }]);
  });

  test("that is over ten times makes a dead letter, without the device having said a word [J25]", async () => {
    await using bench = await benchWith("m");
    const consumer = bench.consumer("d");
    vi.advanceTimersByTime(10 * LOCK_MS);
    await durable(bench);
    expect(consumer.got.map(({ attempt }) => attempt)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await bench.feedback()).toEqual(["m DeliveryCountExceeded"]);
    expect(bench.bench.waiting("$dlq/$c2d/d")).toEqual(["m"]);
    expect(consumer.isCut, "who has locks is not cut").toBe(false);
  });

  test("ends with its settlement, and with its consumer [J25]", async () => {
    await using bench = await benchWith("a", "b");
    const consumer = bench.consumer("d");
    settle(consumer, 0, "accepted");
    consumer.window.close();
    vi.advanceTimersByTime(2 * LOCK_MS);
    expect(got(consumer)).toEqual(["a/0", "b/0"]);
    expect(got(bench.consumer("d"))).toEqual(["b/1"]);
  });
});

describe("expiry", () => {
  test("of a time to live runs while the box does, an hour unless told otherwise [J31]", async () => {
    await using bench = await benchWith();
    await bench.send("d", "hour", { ack: "full" });
    await bench.send("d", "minute", { ack: "full", timeToLiveSecs: 60 });
    bench.time.wall += 10 * HOUR; // it has jumped
    bench.devicebound.sweep();
    expect(await bench.waiting("d")).toEqual(["hour", "minute"]);
    bench.advance(MINUTE);
    bench.devicebound.sweep();
    expect(await bench.waiting("d")).toEqual(["hour"]);
    bench.advance(59 * MINUTE);
    bench.devicebound.sweep();
    await durable(bench);
    expect(await bench.feedback()).toEqual(["minute Expired", "hour Expired"]);
    expect(bench.bench.engine.metrics.expired_ttl).toBe(2);
  });

  test("of an instant is the wall clock's, time that the box was off included [J31]", async () => {
    const bench = await benchWith();
    await bench.send("d", "m", { ack: "full", expiry: "2027-01-01T02:00:00+01:00" });
    bench.advance(HOUR - 1);
    bench.devicebound.sweep();
    expect(await bench.waiting("d")).toEqual(["m"]);
    bench.time.wall += 1; // and the box is off
    await using later = await crash(bench);
    expect(later.consumer("d").got, "it is not delivered either").toEqual([]);
    await durable(later);
    expect(await later.feedback()).toEqual(["m Expired"]);
  });

  test("of an instant waits for a wall clock that can be believed [J31]", async () => {
    await using bench = new DeviceboundBench({ wall: Date.UTC(1970, 0, 2) });
    await bench.send("d", "m", { expiry: "2027-01-01T00:00:00Z" });
    bench.devicebound.sweep();
    expect(await bench.waiting("d")).toEqual(["m"]);
    bench.time.wall = Date.UTC(2027, 0, 2); // somebody has set it
    bench.devicebound.sweep();
    await durable(bench);
    expect(await bench.waiting("d")).toEqual([]);
  });

  test("takes from the middle of a queue, and leaves the others their order and their counts", async () => {
    const bench = await benchWith("a");
    await bench.send("d", "b", { ack: "full", timeToLiveSecs: 60 });
    await bench.send("d", "c");
    const consumer = bench.consumer("d");
    settle(consumer, 0, "released");
    consumer.window.close();
    bench.advance(MINUTE);
    bench.devicebound.sweep();
    await durable(bench);
    await using after = await crash(bench);
    expect([await after.waiting("d"), await after.feedback()]).toEqual([["a", "c"], ["b Expired"]]);
    expect(got(after.consumer("d"))).toEqual(["a/2", "c/1"]);
  });

  test("does not touch what is in hand, and takes what is not, with a device that takes nothing [J21]", async () => {
    await using bench = await benchWith("a", "b");
    const consumer = bench.consumer("d");
    bench.advance(2 * HOUR);
    bench.devicebound.sweep();
    expect(await bench.waiting("d")).toEqual(["a", "b"]);
    settle(consumer, 0, "accepted");
    settle(consumer, 1, "accepted");
    consumer.credit = 0;
    await bench.send("d", "c", { ack: "full" });
    bench.advance(2 * HOUR);
    bench.devicebound.sweep();
    await durable(bench);
    expect(await bench.feedback()).toEqual(["a Success", "b Success", "c Expired"]);
  });

  test("and used-up deliveries are seen while the device is away", async () => {
    await using bench = await benchWith("m");
    for (let i = 0; i < 10; i++) bench.consumer("d").window.close();
    bench.devicebound.sweep();
    await durable(bench);
    expect([await bench.waiting("d"), await bench.feedback()]).toEqual([[], ["m DeliveryCountExceeded"]]);
  });
});

describe("a queue", () => {
  test("goes when it has drained, and the next message makes another and says so [J28]", async () => {
    await using bench = await benchWith("a");
    const consumer = bench.consumer("d");
    settle(consumer, 0, "accepted");
    bench.devicebound.sweep();
    expect(bench.devicebound.queueOf("d")).toBeNull();
    await bench.send("d", "b");
    expect([bench.opened, await bench.waiting("d")]).toEqual([["d", "d"], ["b"]]);
    expect(got(bench.consumer("d"))).toEqual(["b/0"]);
  });

  test("of a device that is removed goes, and nobody is told", async () => {
    await using bench = await benchWith("a");
    bench.devicebound.forget("d");
    await durable(bench);
    expect([bench.devicebound.queueOf("d"), await bench.feedback()]).toEqual([null, []]);
  });

  test("stays over changes of routes, which do not lead to it [J28]", async () => {
    await using bench = await benchWith("a");
    await bench.bench.routes.set({ routes: {}, timeToLiveSecs: 7200 });
    expect(await bench.bench.routes.settle()).toEqual([]);
    expect(await bench.waiting("d")).toEqual(["a"]);
  });

  test("keeps its order of first deliveries over a crash [J3 J8]", async () => {
    const bench = await benchWith("a", "b", "c");
    const after = await crash(bench);
    await after.send("d", "d");
    expect(got(after.consumer("d"))).toEqual(["a/0", "b/0", "c/0", "d/0"]);
    await after[Symbol.asyncDispose]();
  });
});

describe("feedback", () => {
  test("is read from an offset, from the end, and as it comes", async () => {
    await using bench = await benchWith("a", "b", "c");
    const consumer = bench.consumer("d");
    settle(consumer, 0, "accepted");
    settle(consumer, 1, "accepted");
    await durable(bench);
    const read = async (query: { from?: number; tail?: number; waitMs?: number }) => {
      const page = await bench.devicebound.feedback.read({ limit: 10, waitMs: 0, ...query });
      return [page.records.map((record) => record.originalMessageId), page.next];
    };
    expect(await read({})).toEqual([["a", "b"], 2]);
    expect(await read({ tail: 1 })).toEqual([["b"], 2]);
    expect(await read({ from: 2 })).toEqual([[], 2]);
    const next = read({ from: 2, waitMs: 10_000 });
    settle(consumer, 2, "rejected");
    expect(await next).toEqual([["c"], 3]);
  });
});
