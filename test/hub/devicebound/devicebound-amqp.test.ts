/** What a device gets over AMQP, and what it may say of it, with a client that is not ours (rhea); locks by hand. */
import rhea from "rhea";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DeviceboundLink } from "../../../hub/amqp/devicebound-link.ts";
import type { OutgoingLink } from "../../../hub/amqp/outgoing-link.ts";
import { LOCK_MS } from "../../../hub/devicebound/devicebound.ts";
import { DeviceboundBench } from "../../support/devicebound-bench.ts";
import { startHub, type TestHub } from "../../support/hub.ts";
import { connectRaw, plain, within, type RawReceiver } from "../amqp/raw-client.ts";

const ADDRESS = "/devices/d1/messages/deviceBound";

describe("over the wire", () => {
  let hub: TestHub;
  afterEach(() => hub[Symbol.asyncDispose]());

  async function receiver(options: object = {}) {
    hub = await startHub({ amqp: true });
    const client = connectRaw(hub, plain(await hub.identity("d1")));
    return { client, receiver: await client.receiver(ADDRESS, options) };
  }
  const send = (text: string, more: object = {}) =>
    hub.hub.sendDevicebound("d1", { body: Buffer.from(text), ...more });
  const lengthOf = async () => (await hub.hub.devicebound("d1")).length;
  const textOf = (message: rhea.Message) => (message.body as { content: Buffer }).content.toString();

  test("the delivery tag is the lock token, and the message says where it goes, since when, how often", async () => {
    const { client, receiver: link } = await receiver();
    await send("a", { ack: "full", messageId: "m" });
    await send("b");
    const [first, second] = [await link.next(), await link.next()];
    const tag = Buffer.from(first.delivery.tag as never);
    expect(tag).toHaveLength(16);
    expect(tag.equals(Buffer.from(second.delivery.tag as never))).toBe(false);
    expect(first.message).toMatchObject({
      to: "/devices/d1/messages/devicebound",
      message_id: "m",
      application_properties: { "iothub-ack": "full" },
    });
    const annotations = first.message.message_annotations!;
    expect(annotations).toMatchObject({ "x-opt-delivery-count": 0, "iothub-deliverycount": 0 });
    expect(annotations["x-opt-enqueued-time"]).toBeInstanceOf(Date);
    // .NET's Guid of the tag: the first three groups with their last byte first.
    const [a, b, c, d, e] = (annotations["x-opt-lock-token"] as string).split("-");
    const swapped = [a, b, c].map((group) => Buffer.from(group!, "hex").toReversed());
    expect(Buffer.concat([...swapped, Buffer.from(d! + e!, "hex")])).toEqual(tag);
    expect(annotations).not.toHaveProperty("iothub-connection-device-id");
    const numbers = [first, second].map(
      ({ message }) => message.message_annotations!["x-opt-sequence-number"],
    );
    expect(numbers[1]).toBeGreaterThan(numbers[0] as number);
    client.close();
  });

  test.for<readonly ["release" | "modified", object | undefined]>([
    ["release", undefined],
    ["modified", { delivery_failed: true }],
  ])("%s is abandoned: the same message, with another token, counted", async ([, how]) => {
    const { client, receiver: link } = await receiver();
    await send("a");
    const first = await link.next();
    first.delivery.release(how as never);
    const again = await link.next();
    expect([textOf(again.message), again.message.delivery_count]).toEqual(["a", 1]);
    const token = (of: typeof first) => of.message.message_annotations!["x-opt-lock-token"] as string;
    expect(token(again)).not.toBe(token(first));
    again.delivery.accept();
    await expect.poll(lengthOf).toBe(0);
    client.close();
  });

  test("who settles what was purged hears that the lock is lost, if it leaves settling to the hub", async () => {
    const { client, receiver: link } = await receiver({ rcv_settle_mode: 1, autosettle: false });
    const settled = settledBy(link);
    await send("a");
    const { delivery } = await link.next();
    await hub.hub.purgeDevicebound("d1");
    await send("b"); // another queue, whose first message is not the one that was purged
    const other = await link.next();
    delivery.accept();
    expect(await settled()).toBe("com.microsoft:message-lock-lost");
    expect(await lengthOf()).toBe(1);
    other.delivery.accept();
    expect(await settled()).toBe("accepted");
    expect(await lengthOf()).toBe(0);
    client.close();
  });

  test("a module has no such link, and nobody that of another device", async () => {
    hub = await startHub({ amqp: true });
    await hub.identity("d1");
    const other = connectRaw(hub, plain(await hub.identity("d2")));
    await expect(other.receiver(ADDRESS)).rejects.toThrow("amqp:unauthorized-access");
    other.close();
    const module = connectRaw(hub, plain(await hub.identity("gw", "m")));
    const address = "/devices/gw/modules/m/messages/devicebound";
    await expect(module.receiver(address)).rejects.toThrow("amqp:not-allowed");
    module.close();
  });

  test("with settled deliveries a message is completed by being sent", async () => {
    const { client, receiver: link } = await receiver({ snd_settle_mode: 1 });
    await send("a", { ack: "positive" });
    await link.next();
    await expect
      .poll(async () => (await hub.hub.readFeedback({ limit: 1, waitMs: 0 })).records.length)
      .toBe(1);
    expect(await lengthOf()).toBe(0);
    client.close();
  });
});

/** Resolves, once a call, to the outcome or the condition that the hub settles a delivery with. */
function settledBy(link: RawReceiver): () => Promise<string> {
  const found: string[] = [];
  const wanted: ((what: string) => void)[] = [];
  link.link.on("settled", ({ delivery }) => {
    const state = delivery!.remote_state as { error?: { condition: string } } | undefined;
    const what = state?.error?.condition ?? "accepted";
    const want = wanted.shift();
    if (want === undefined) found.push(what);
    else want(what);
  });
  return () =>
    found.length > 0
      ? Promise.resolve(found.shift()!)
      : within("a settlement", new Promise((resolve) => wanted.push(resolve)));
}

/** A link that sends nowhere, and remembers. */
class FakeLink {
  readonly isAlwaysSettled = false;
  canSend = true;
  readonly tokens: number[] = [];
  readonly confirmed: (readonly [deliveryId: number, outcome: string, condition: string | null])[] = [];
  readonly withdrawn: number[] = [];

  send(_message: Buffer, _tag: Buffer, _isSettled: boolean, token: number): number {
    return 100 + this.tokens.push(token);
  }
  confirm(deliveryId: number, outcome: string, error: { condition: string } | null): void {
    this.confirmed.push([deliveryId, outcome, error?.condition ?? null]);
  }
  withdraw(deliveryId: number): void {
    this.withdrawn.push(deliveryId);
  }
}

describe("a delivery", () => {
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  afterEach(() => void vi.useRealTimers());

  async function open(...texts: readonly string[]) {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const bench = new DeviceboundBench();
    for (const text of texts) await bench.send("d", text, { ack: "full" });
    const fake = new FakeLink();
    const { engine } = bench.bench;
    const host = {
      window: bench.devicebound.deliveries,
      lockMs: LOCK_MS,
      durable: () => engine.journal.durable(),
    };
    const link = new DeviceboundLink(fake as unknown as OutgoingLink, host, () => undefined);
    link.deliverFrom(bench.devicebound.queueOf("d"));
    return { bench, fake, link };
  }

  test("whose lock is over has an error for an outcome, and the next one's counts", async () => {
    const { bench, fake, link } = await open("m");
    await using _ = bench;
    expect(fake.tokens).toEqual([1]);
    vi.advanceTimersByTime(LOCK_MS);
    expect(fake.tokens, "offered again").toEqual([1, 2]);
    link.onOutcome(1, "accepted", 101, false);
    await turns();
    expect(fake.confirmed).toEqual([[101, "rejected", "com.microsoft:message-lock-lost"]]);
    expect(await bench.waiting("d"), "the second delivery's lock holds").toEqual(["m"]);
    link.onOutcome(2, "accepted", 102, false);
    await turns();
    expect(fake.confirmed[1]).toEqual([102, "accepted", null]);
    expect([await bench.waiting("d"), await bench.feedback()]).toEqual([[], ["m Success"]]);
  });

  test("that the hub is left to settle is settled when that is durable [J1]", async () => {
    const { bench, fake, link } = await open("m");
    await using _ = bench;
    const release = bench.bench.holdCommits();
    link.onOutcome(1, "accepted", 101, false);
    await turns();
    expect(fake.confirmed).toEqual([]);
    release();
    await turns();
    expect(fake.confirmed).toEqual([[101, "accepted", null]]);
  });

  test("whose lock is over, and that the client has settled itself, is not answered and means nothing", async () => {
    const { bench, fake, link } = await open("m");
    await using _ = bench;
    vi.advanceTimersByTime(LOCK_MS);
    link.onOutcome(1, "rejected", 101, true);
    await turns();
    expect([fake.confirmed, await bench.waiting("d")]).toEqual([[], ["m"]]);
  });

  test("whose lock is over is kept for its answer with sixty-three others; older ones the hub settles itself [J6]", async () => {
    const { bench, fake } = await open(...Array.from({ length: 10 }, (_, i) => `m${i}`));
    await using _ = bench;
    vi.advanceTimersByTime(6 * LOCK_MS);
    expect(fake.withdrawn).toEqual([]);
    vi.advanceTimersByTime(LOCK_MS);
    expect(fake.withdrawn).toEqual([101, 102, 103, 104, 105, 106]);
  });
});
