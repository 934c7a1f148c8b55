/**
 * An MQTT client that decides nothing: it sends what it is told and reports what comes. Packet ids, windows,
 * resends and acknowledgements are the caller's, so that a test can judge every one of them.
 */
import { connect, type Socket } from "node:net";
import { generate, parser, type IPublishPacket, type ISubscription, type Packet } from "mqtt-packet";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { credentials } from "../hub.ts";

export interface RawHandlers {
  onPuback?(packetId: number): void;
  onPublish?(packet: IPublishPacket): void;
  /** The socket has closed, for whatever reason. Called once. */
  onClose?(): void;
  /** Its session outlives the connection (clean session 0). */
  readonly isKept?: boolean;
}

export class RawClient implements Disposable {
  /** Rejects when the connection is refused or never made. */
  readonly connected: Promise<void>;
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #socket: Socket;
  #pongs: (() => void)[] = [];
  #subscribed: (() => void)[] = [];

  /** @param first packets to send in one piece with CONNECT, before it is answered */
  constructor(
    port: number,
    identity: KeyedIdentity,
    handlers: RawHandlers = {},
    first: readonly Packet[] = [],
  ) {
    const socket = (this.#socket = connect({ port, host: "127.0.0.1", noDelay: true }));
    const packets = parser();
    socket.on("data", (bytes) => packets.parse(bytes));
    socket.on("error", () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.isClosed = true;
        resolve();
        handlers.onClose?.();
      });
    });
    this.connected = new Promise((resolve, reject) => {
      packets.on("packet", (packet: Packet) => {
        if (packet.cmd === "connack" && packet.returnCode === 0) resolve();
        else if (packet.cmd === "connack") reject(new Error(`connack ${packet.returnCode}`));
        else this.#onPacket(packet, handlers);
      });
      void this.closed.then(() => reject(new Error("closed before connack")));
    });
    this.connected.catch(() => undefined);
    const { clientId, username, password } = credentials(identity) as Record<string, string>;
    this.#send(
      {
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: 4,
        clientId: clientId!,
        username: username!,
        password: Buffer.from(password!),
        clean: handlers.isKept !== true,
        keepalive: 0,
      },
      ...first,
    );
  }

  #onPacket(packet: Packet, handlers: RawHandlers): void {
    if (packet.cmd === "puback") handlers.onPuback?.(packet.messageId!);
    else if (packet.cmd === "publish") handlers.onPublish?.(packet);
    else if (packet.cmd === "pingresp") this.#pongs.shift()?.();
    else if (packet.cmd === "suback") this.#subscribed.shift()?.();
  }

  #send(...packets: readonly Packet[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
  }

  publish(topic: string, body: string | Buffer, packetId: number, dup = false): void {
    this.#send({ cmd: "publish", topic, payload: body, qos: 1, messageId: packetId, dup, retain: false });
  }

  puback(packetId: number): void {
    this.#send({ cmd: "puback", messageId: packetId });
  }

  /** Resolves to how long the answer took, ms. */
  async ping(): Promise<number> {
    const begun = performance.now();
    const pong = new Promise<void>((resolve) => this.#pongs.push(resolve));
    this.#send({ cmd: "pingreq" });
    await Promise.race([pong, this.closed.then(() => Promise.reject(new Error("closed before pingresp")))]);
    return performance.now() - begun;
  }

  /** Resolves when the hub has answered, or the connection has ended. */
  async subscribe(topic: string, qos: 0 | 1 = 1): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#subscribed.push(resolve));
    this.#send(subscription(topic, qos));
    await Promise.race([answered, this.closed]);
  }

  /** Resolves when the hub has answered what came after it. */
  async unsubscribe(topic: string): Promise<void> {
    this.#send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: [topic] });
    await this.ping();
  }

  /** Bytes handed over that the kernel has not taken: more than a few when the hub does not read. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Stops reading: the hub's output stays in the network. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

export function subscription(topic: string, qos: 0 | 1 = 1): Packet {
  const subscriptions: ISubscription[] = [{ topic, qos }];
  return { cmd: "subscribe", messageId: 1, subscriptions };
}
