/** Methods of a client over AMQP (contract §5.7): a call goes out, its answer comes back by correlation id. */
import { randomUUID } from "node:crypto";
import type { AmqpIdentity } from "./handler.ts";
import { idText } from "./id-text.ts";
import { LinkPair, type LinkPairUser } from "./link-pair.ts";
import { FIELD, MessageReader } from "./message.ts";
import { encodePlain, encodeText } from "./reply.ts";
import type { ClientServices, MethodCall } from "./services.ts";
import { integerAt } from "./value.ts";

/** Calls that wait for their answer; the oldest is forgotten, and its caller waits until its own time-out. */
const CALLS_MAX = 64;
const NAME = "IoThub-methodname";
const STATUS = "IoThub-status";

const reader = new MessageReader();

export class MethodLink implements LinkPairUser {
  readonly pair = new LinkPair(this);
  readonly #identity: AmqpIdentity;
  readonly #services: ClientServices;
  readonly #calls = new Map<string, MethodCall>();
  #stop: (() => void) | null = null;

  constructor(identity: AmqpIdentity, services: ClientServices) {
    this.#identity = identity;
    this.#services = services;
  }

  onReceiving(isReceiving: boolean): void {
    this.#stop?.();
    this.#stop = isReceiving ? this.#services.serveMethods(this.#identity, (call) => this.#call(call)) : null;
    if (!isReceiving) this.#calls.clear();
  }

  #call(call: MethodCall): void {
    const id = randomUUID();
    this.#calls.set(id, call);
    const [oldest] = this.#calls.keys();
    if (this.#calls.size > CALLS_MAX) this.#calls.delete(oldest!);
    this.pair.send(
      encodePlain({ correlationId: encodeText(id), properties: { [NAME]: call.name }, body: call.payload }),
    );
  }

  onMessage(bytes: Buffer, from: number, to: number): void {
    if (!reader.read(bytes, from, to)) return;
    const correlationId = reader.rawField(FIELD.CORRELATION_ID);
    const status = reader.find(reader.applicationProperties, STATUS);
    const payload = reader.content();
    const id = correlationId === null ? "" : idText(correlationId);
    const call = this.#calls.get(id);
    if (call === undefined || status < 0 || payload === null) return;
    this.#calls.delete(id);
    call.respond(integerAt(bytes, status) ?? 500, Buffer.from(payload));
  }
}
