/** A client that sends whatever bytes a test wants, and the packets worth sending. */
import { connect, type Socket } from "node:net";
import { generate, type IConnectPacket, type IPublishPacket } from "mqtt-packet";

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.#wake();
    });
    socket.on("error", () => {}); // a reset is one way to be closed
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        resolve();
        this.#wake();
      });
    });
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    return client;
  }

  /** Open, and past CONNACK. */
  static async accepted(port: number, fields: Partial<IConnectPacket> = {}): Promise<RawClient> {
    const client = await RawClient.open(port);
    client.send(connectPacket(fields));
    await client.take(4);
    return client;
  }

  send(...packets: Uint8Array[]): void {
    this.socket.write(Buffer.concat(packets));
  }

  /** The next `count` bytes; rejects when the connection ends before. */
  async take(count: number): Promise<Buffer> {
    while (this.received.length < count) {
      if (this.socket.destroyed) throw new Error(`closed after ${this.received.length} of ${count} bytes`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const taken = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return taken;
  }

  async ping(): Promise<void> {
    this.send(PINGREQ);
    const answer = await this.take(2);
    if (!answer.equals(PINGRESP)) throw new Error(`not a PINGRESP: ${answer.toString("hex")}`);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export const PINGREQ = Buffer.from([0xc0, 0]);
export const PINGRESP = Buffer.from([0xd0, 0]);
export const DISCONNECT = Buffer.from([0xe0, 0]);

export const connectPacket = (fields: Partial<IConnectPacket> = {}): Buffer =>
  generate({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clientId: "dev1",
    clean: true,
    keepalive: 60,
    ...fields,
  });

export const publishPacket = (fields: Partial<IPublishPacket> = {}): Buffer =>
  generate({
    cmd: "publish",
    topic: "devices/dev1/messages/events/",
    payload: "hello",
    qos: 1,
    messageId: 1,
    dup: false,
    retain: false,
    ...fields,
  });

export const subscribePacket = (messageId: number, ...topics: string[]): Buffer =>
  generate({ cmd: "subscribe", messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) });

export const unsubscribePacket = (messageId: number, ...topics: string[]): Buffer =>
  generate({ cmd: "unsubscribe", messageId, unsubscriptions: topics });

export const pubackPacket = (messageId: number): Buffer =>
  Buffer.from([0x40, 2, messageId >> 8, messageId & 255]);

/** A packet of any kind, by hand: first byte and what follows the length. */
export function packet(header: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const bytes = [header];
  let rest = body.length;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...bytes, rest]), body]);
}
