/**
 * Clients that behave, beside those that do not: a device publishes, a module receives, over each protocol, on
 * connections that stay. Each message is acknowledged and delivered in time, whatever the others do.
 */
import rhea, { type Connection, type Sender } from "rhea";
import { plain } from "../hub/amqp/raw-client.ts";
import { RawClient } from "../support/faults/raw-client.ts";
import { until } from "../support/faults/window.ts";
import { Ledger } from "./ledger.ts";
import { CANARIES, INPUT, type CanaryName, type Member, type Population } from "./population.ts";

const PACE_MS = 25;
/** Messages that are not settled; then it waits. */
const IN_FLIGHT_MAX = 32;
const PACKET_IDS = 65_535;
const READY_MS_MAX = 20_000;

/** A client's two halves, whatever the protocol. */
interface Bird {
  /** Sends one message with this body. */
  publish(number: number): void;
  close(): void;
}

type Hatch = (
  port: number,
  pair: { readonly device: Member; readonly module: Member },
  ledger: Ledger,
) => Promise<Bird>;

const HATCHES: Readonly<Record<CanaryName, Hatch>> = { mqtt: hatchMqtt, amqp: hatchAmqp };

export class Canary implements Disposable {
  readonly name: CanaryName;
  readonly ledger: Ledger;
  readonly #bird: Bird;
  readonly #pacing: NodeJS.Timeout;

  private constructor(name: CanaryName, ledger: Ledger, bird: Bird) {
    this.name = name;
    this.ledger = ledger;
    this.#bird = bird;
    this.#pacing = setInterval(() => this.#sing(), PACE_MS);
  }

  /** Resolves when each has been served once. */
  static async all(
    ports: Readonly<Record<CanaryName, number>>,
    { canaries }: Population,
  ): Promise<readonly Canary[]> {
    const birds = CANARIES.map(async (name) => {
      const ledger = new Ledger();
      const canary = new Canary(name, ledger, await HATCHES[name](ports[name], canaries[name], ledger));
      await until(`the canary over ${name} is served`, () => ledger.served > 0, READY_MS_MAX);
      return canary;
    });
    return Promise.all(birds);
  }

  #sing(): void {
    if (this.ledger.inFlight < IN_FLIGHT_MAX) this.#bird.publish(this.ledger.begin(performance.now()));
  }

  /** Sends nothing more. */
  stop(): void {
    clearInterval(this.#pacing);
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#bird.close();
  }
}

async function hatchMqtt(...[port, { device, module }, ledger]: Parameters<Hatch>): Promise<Bird> {
  let isClosing = false;
  const onClose = (): void => {
    if (!isClosing) ledger.fault("its connection was cut");
  };
  const numbers = new Map<number, number>();
  const publisher = new RawClient(port, device.identity, {
    onPuback(packetId) {
      ledger.acked(numbers.get(packetId) ?? -1, performance.now());
      numbers.delete(packetId);
    },
    onClose,
  });
  const receiver = new RawClient(port, module.identity, {
    onPublish({ payload, messageId }) {
      ledger.delivered(Number(payload.toString()), performance.now());
      receiver.puback(messageId!);
    },
    onClose,
  });
  await Promise.all([publisher.connected, receiver.connected]);
  await receiver.subscribe(`${module.path}/inputs/${INPUT}/#`);
  return {
    publish(number) {
      const packetId = (number % PACKET_IDS) + 1;
      numbers.set(packetId, number);
      publisher.publish(`${device.path}/messages/events/`, String(number), packetId);
    },
    close() {
      isClosing = true;
      publisher[Symbol.dispose]();
      receiver[Symbol.dispose]();
    },
  };
}

async function hatchAmqp(...[port, { device, module }, ledger]: Parameters<Hatch>): Promise<Bird> {
  const connect = (member: Member): Connection =>
    rhea
      .create_container()
      .connect({ port, host: "127.0.0.1", reconnect: false, ...plain(member.identity, member.token) });
  const connections = [connect(device), connect(module)] as const;
  const sender = connections[0].open_sender({ target: { address: `/${device.path}/messages/events` } });
  const receiver = connections[1].open_receiver({ source: { address: `/${module.path}/messages/events` } });
  let isClosing = false;
  for (const connection of connections) {
    connection.on("disconnected", () => {
      if (!isClosing) ledger.fault("its connection was cut");
    });
  }
  const numbers = new Map<number, number>();
  for (const outcome of ["accepted", "rejected", "released", "modified"] as const) {
    sender.on(outcome, ({ delivery }) => {
      const number = numbers.get(delivery!.id) ?? -1;
      numbers.delete(delivery!.id);
      if (outcome === "accepted") ledger.acked(number, performance.now());
      else ledger.fault(`${number} was ${outcome}`);
    });
  }
  receiver.on("message", ({ message }) => {
    const { content } = message!.body as { readonly content: Buffer };
    ledger.delivered(Number(content.toString()), performance.now());
  });
  await sendable(sender);
  return {
    publish(number) {
      const body: unknown = rhea.message.data_section(Buffer.from(String(number)));
      numbers.set(sender.send({ body }).id, number);
    },
    close() {
      isClosing = true;
      for (const connection of connections) connection.close();
    },
  };
}

const sendable = (sender: Sender): Promise<void> =>
  new Promise((resolve) => {
    sender.once("sendable", () => resolve());
  });
