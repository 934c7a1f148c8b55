/** rhea as a client of the hub: what a test says in a line, and what it wants to wait for. */
import rhea, { type Connection, type Delivery, type Message, type Receiver, type Sender } from "rhea";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { GATEWAY, tokenOf, type TestHub } from "../../support/hub.ts";

const WAIT_MS = 10_000;

export interface Received {
  readonly message: Message;
  readonly delivery: Delivery;
}

export interface RawClient {
  readonly connection: Connection;
  /** Resolves when the other side has taken it. */
  sender(address: string, options?: object): Promise<Sender>;
  receiver(address: string, options?: object): Promise<RawReceiver>;
  /** Resolves to the connection's error, or `null`, when it has ended. */
  readonly ended: Promise<string | null>;
  close(): void;
}

export interface RawReceiver {
  readonly link: Receiver;
  next(): Promise<Received>;
  /** What has come and was not asked for. */
  readonly waiting: readonly Received[];
}

export const eventsOf = ({ deviceId, moduleId }: KeyedIdentity): string =>
  moduleId === undefined
    ? `/devices/${deviceId}/messages/events`
    : `/devices/${deviceId}/modules/${moduleId}/messages/events`;

/** Credentials of SASL PLAIN. */
export const plain = (identity: KeyedIdentity, token = tokenOf(identity)): object => ({
  username: `${identity.deviceId}${identity.moduleId === undefined ? "" : `/modules/${identity.moduleId}`}@sas.${GATEWAY}`,
  password: token,
});

export function connectRaw(hub: Pick<TestHub, "amqpPort">, options: object): RawClient {
  const container = rhea.create_container();
  const connection = container.connect({
    port: hub.amqpPort,
    host: "127.0.0.1",
    reconnect: false,
    ...options,
  });
  let error: string | null = null;
  const ended = new Promise<string | null>((resolve) => {
    connection.on("connection_error", (context) => {
      error = conditionOf(context.connection.error ?? context.error);
    });
    connection.on("connection_close", () => resolve(error));
    connection.on("disconnected", (context) => resolve(error ?? (context.error?.message || null)));
  });
  return {
    connection,
    ended,
    async sender(address, linkOptions = {}) {
      const link = connection.open_sender({ target: { address }, ...linkOptions });
      await opened(link, "sender", ended);
      return link;
    },
    async receiver(address, linkOptions = {}) {
      const link = connection.open_receiver({
        source: { address },
        autoaccept: false,
        credit_window: 100,
        ...linkOptions,
      });
      const waiting: Received[] = [];
      const wanted: ((received: Received) => void)[] = [];
      link.on("message", ({ message, delivery }) => {
        const received = { message: message!, delivery: delivery! };
        const want = wanted.shift();
        if (want === undefined) waiting.push(received);
        else want(received);
      });
      await opened(link, "receiver", ended);
      const next = () =>
        waiting.length > 0
          ? Promise.resolve(waiting.shift()!)
          : within("a message", new Promise<Received>((resolve) => wanted.push(resolve)));
      return { link, next, waiting };
    },
    close: () => connection.close(),
  };
}

/** Rejects with the condition that a refused link is detached with. */
function opened(
  link: Sender | Receiver,
  kind: "sender" | "receiver",
  ended: Promise<unknown>,
): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    const refuse = () => reject(new Error(conditionOf(link.error)));
    link.on(`${kind}_error`, refuse);
    // A refused link is opened as well, and closed in the next frame (AMQP 2.6.3).
    link.on(`${kind}_open`, () => void setImmediate(resolve));
    link.on(`${kind}_close`, refuse);
    void ended.then((error) => reject(new Error(`connection ended: ${String(error)}`)));
  });
  return within("the link", done);
}

const conditionOf = (error: unknown): string =>
  (error as { condition?: string } | undefined)?.condition ?? "detached";

/** Resolves to the condition that a link ends with. */
export const detached = (link: Sender | Receiver): Promise<string> =>
  within(
    "a detach",
    new Promise((resolve) => {
      const kind = link.is_receiver() ? "receiver" : "sender";
      link.on(`${kind}_error`, () => resolve(conditionOf(link.error)));
    }),
  );

/** Resolves to what became of a delivery. */
export function send(sender: Sender, message: Message | Buffer, format?: number): Promise<string> {
  return within(
    "an outcome",
    new Promise((resolve, reject) => {
      const go = () => {
        const delivery =
          format === undefined ? sender.send(message as Message) : sender.send(message, undefined, format);
        for (const outcome of ["accepted", "rejected", "released", "modified"] as const) {
          sender.on(outcome, (context) => {
            if (context.delivery !== delivery) return;
            const state = context.delivery!.remote_state as { error?: { condition: string } } | undefined;
            resolve(state?.error ? `rejected ${state.error.condition}` : outcome);
          });
        }
        sender.on("sender_close", () => reject(new Error(conditionOf(sender.error))));
      };
      if (sender.sendable()) go();
      else sender.once("sendable", go);
    }),
  );
}

export function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${WAIT_MS} ms`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const data = (text: string): object => rhea.message.data_section(Buffer.from(text)) as object;
