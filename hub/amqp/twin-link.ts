/** A client's twin over AMQP (contract §5.6): requests by annotation, answers with a status, patches unasked. */
import type { AmqpIdentity } from "./handler.ts";
import { LinkPair, type LinkPairUser } from "./link-pair.ts";
import { FIELD, MessageReader } from "./message.ts";
import { encodePlain } from "./reply.ts";
import type { Answer, ClientServices } from "./services.ts";

const REPORTED = "/properties/reported";
const DESIRED = "/notifications/twin/properties/desired";

const BAD_REQUEST = 400;
const reader = new MessageReader();

export class TwinLink implements LinkPairUser {
  readonly pair = new LinkPair(this);
  readonly #identity: AmqpIdentity;
  readonly #services: ClientServices;
  #unwatch: (() => void) | null = null;

  constructor(identity: AmqpIdentity, services: ClientServices) {
    this.#identity = identity;
    this.#services = services;
  }

  onMessage(bytes: Buffer, from: number, to: number): void {
    if (!reader.read(bytes, from, to)) return;
    const correlationId = reader.rawField(FIELD.CORRELATION_ID);
    const operation = reader.text(reader.annotations, "operation")?.toUpperCase();
    // There is nothing to answer to (contract §5.6).
    if (correlationId === null || operation === undefined) return;
    const resource = reader.text(reader.annotations, "resource")?.toLowerCase() ?? "";
    const answer: Answer = (status, body) =>
      this.pair.send(encodePlain({ correlationId, annotations: { status: { int: status } }, body }));
    this.#serve(`${operation} ${resource}`, answer);
  }

  #serve(request: string, answer: Answer): void {
    switch (request) {
      case "GET ":
        return this.#services.getTwin(this.#identity, answer);
      case `PATCH ${REPORTED}`: {
        const patch = reader.content();
        if (patch === null) return answer(BAD_REQUEST, null);
        return this.#services.patchReported(this.#identity, Buffer.from(patch), answer);
      }
      case `PUT ${DESIRED}`:
        this.#watch();
        return answer(200, null);
      case `DELETE ${DESIRED}`:
        this.#stopWatching();
        return answer(200, null);
      default:
        return answer(BAD_REQUEST, null);
    }
  }

  #watch(): void {
    this.#unwatch ??= this.#services.watchDesired(this.#identity, (patch) =>
      this.pair.send(encodePlain({ body: patch })),
    );
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = null;
  }

  onReceiving(isReceiving: boolean): void {
    if (!isReceiving) this.#stopWatching();
  }
}
