/**
 * A hub under load that is killed at random instants: publishers that keep a window in flight, a module that
 * consumes what they send and loses what it has not dealt with, and the history that they make together.
 */
import type { Identity } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import type { History, Place, StoredEvent } from "./history.ts";
import { HubChild, type HubChildOptions } from "./hub-child.ts";
import { RawClient } from "./raw-client.ts";
import { until, WindowPublisher } from "./window.ts";

const WINDOW = 100;
const LOAD_MS_MAX = 300;
/** This share of the kills does not wait until the hub has got going. */
const EARLY_KILLS = 0.2;
/** The module takes up to this long for what it has in hand. */
const DEAL_MS_MAX = 200;
const PAD = "x".repeat(200);
const SINK: Identity = { deviceId: "gw", moduleId: "sink", ...newKeys(), enabled: true };
const ROUTES = {
  log: { route: "FROM /messages/* INTO $upstream" },
  sink: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' },
};

export interface ChaosOptions extends HubChildOptions {
  readonly rounds: number;
  readonly publishers: number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** @throws when the hub does not come up again, or never delivers the rest */
export async function chaos(options: ChaosOptions): Promise<History> {
  const publishers = Array.from({ length: options.publishers }, (_, i) => {
    const id = `d${i}`;
    return new WindowPublisher(
      { deviceId: id, ...newKeys(), enabled: true },
      WINDOW,
      (n) => `${id}:${n}:${PAD}`,
    );
  });
  const inFlightAtKills = publishers.map(() => 0);
  const sink = new Sink(options.random);
  for (let round = 0; round < options.rounds; round++) {
    await using child = await HubChild.start(options);
    if (round === 0) await setUp(child, publishers);
    const ended = [sink.run(child.port), ...publishers.map((publisher) => publisher.run(child.port))];
    if (options.random() > EARLY_KILLS) await firstAck(publishers);
    await new Promise((resolve) => setTimeout(resolve, options.random() * LOAD_MS_MAX));
    await child.kill();
    await Promise.all(ended);
    publishers.forEach((publisher, i) => (inFlightAtKills[i]! += publisher.inFlight));
  }
  const log = await settle(options, publishers, sink);
  const histories = publishers.map(({ identity, sent, acked, faults }, i) => {
    return { id: identity.deviceId, sent, acked, faults, inFlightAtKills: inFlightAtKills[i]! };
  });
  return { publishers: histories, log, received: sink.received, processed: sink.processed };
}

/** Resolves at the next acknowledgement that anybody gets. */
function firstAck(publishers: readonly WindowPublisher[]): Promise<void> {
  return new Promise((resolve) => {
    for (const publisher of publishers) publisher.onAck = resolve;
  });
}

async function setUp(child: HubChild, publishers: readonly WindowPublisher[]): Promise<void> {
  for (const identity of [SINK, ...publishers.map(({ identity }) => identity)])
    await child.hub.addIdentity(identity);
  await child.hub.setRoutes({ routes: ROUTES, timeToLiveSecs: 7200 });
}

/** One last life, in peace: everything is sent, acknowledged and delivered. */
async function settle(
  options: HubChildOptions,
  publishers: readonly WindowPublisher[],
  sink: Sink,
): Promise<StoredEvent[]> {
  await using child = await HubChild.start(options);
  for (const publisher of publishers) publisher.stop();
  const ended = [sink.run(child.port), ...publishers.map((publisher) => publisher.run(child.port))];
  await until("everything acknowledged", () => publishers.every(({ inFlight }) => inFlight === 0));
  await until("everything delivered", async () => {
    const queue = (await child.hub.queues()).find(({ endpoint }) => endpoint === "sink/in");
    return queue?.length === 0;
  });
  const log: StoredEvent[] = [];
  for (let next = 0; ;) {
    const page = await child.hub.readEvents({ from: next, limit: 1000, waitMs: 0 });
    if (page.events.length === 0) break;
    for (const { body, offset, uid } of page.events) log.push({ ...placeOf(Buffer.from(body)), offset, uid });
    next = page.next;
  }
  await child.kill();
  await Promise.all(ended);
  return log;
}

/** A module that deals with its messages a few at a time, and acknowledges them only then. */
class Sink {
  readonly received: Place[] = [];
  readonly processed: Place[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  async run(port: number): Promise<void> {
    let inHand: { readonly place: Place; readonly packetId: number }[] = [];
    const client = new RawClient(port, SINK, {
      onPublish: ({ payload, messageId }) => {
        const place = placeOf(payload as Buffer);
        this.received.push(place);
        inHand.push({ place, packetId: messageId! });
        if (inHand.length === 1) setTimeout(finish, this.#random() * DEAL_MS_MAX);
      },
    });
    const finish = (): void => {
      if (client.isClosed) return;
      for (const { place, packetId } of inHand) {
        this.processed.push(place);
        client.puback(packetId);
      }
      inHand = [];
    };
    await client.connected.then(
      () => client.subscribe("devices/gw/modules/sink/#"),
      () => undefined, // killed before it answered
    );
    await client.closed;
  }
}

function placeOf(body: Buffer): Place {
  const [publisher, sequence] = body.toString("latin1").split(":");
  return { publisher: publisher!, sequence: Number(sequence) };
}
