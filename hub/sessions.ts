/**
 * Sessions: what an authenticated connection is to the hub. It publishes what its own identity may publish,
 * and, when it is a module, consumes its inputs. One live connection per identity; the newest wins (contract
 * §0, 12).
 */
import { MESSAGE_BYTES_MAX, NO_SECTIONS } from "../abi/index.ts";
import { ClientTroubles } from "./client-troubles.ts";
import { deliveryHostOf } from "./delivery-host.ts";
import type { DeliveryHost } from "./endpoints/delivery-window.ts";
import type { Engine } from "./engine.ts";
import { Publisher, type Plan } from "./endpoints/publisher.ts";
import { Subscriber } from "./endpoints/subscriber.ts";
import { verifySasToken } from "./identity/sas.ts";
import type { Identities } from "./identity/identities.ts";
import type { Modules } from "./modules.ts";
import type { CloseCode, CloseReason } from "./mqtt/close-reason.ts";
import { decideConnect, type ConnectDecision } from "./mqtt/connect.ts";
import type { MqttConnection } from "./mqtt/connection.ts";
import {
  CONNACK,
  type ConnectRequest,
  type MqttHandler,
  type PublishFlags,
  type SubscribeRequest,
  type Will,
} from "./mqtt/handler.ts";
import { InputTopics } from "./mqtt/input-topics.ts";
import { withArrival, type Arrival } from "./mqtt/property-bag.ts";
import { classifyFilter, isOwnTopic, parseClientTopic, type TelemetryTopic } from "./mqtt/topics.ts";
import { messagePath } from "./router/source.ts";

export interface Session {
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly publisher: Publisher;
  subscriber: Subscriber | null;
  /** As subscribed to its inputs; `null` when it is not. */
  inputsQos: 0 | 1 | null;
}

type Connection = MqttConnection<Session, Plan>;

/** How connections end without anything being wrong, or with it said already. */
const ORDINARY_ENDS: ReadonlySet<CloseCode> = new Set([
  "disconnect",
  "connection_lost",
  "socket_error",
  "connect_timeout",
  "refused",
  "identity_removed",
  "shutdown",
]);

const nameOf = (deviceId: string, moduleId: string | null): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

export class Sessions implements MqttHandler<Session, Plan> {
  readonly troubles = new ClientTroubles();
  /** The identity connects here now: whoever has it over another protocol has to go. */
  onClaim: (name: string) => void = () => undefined;
  readonly #engine: Engine;
  readonly #deliveryHost: DeliveryHost;
  readonly #identities: Identities;
  readonly #modules: Modules;
  readonly #gatewayId: string;
  readonly #live = new Map<string, Connection>();
  readonly #hostNames: readonly string[];

  /** @param hostNames names by which clients know this gateway: what their tokens may be for */
  constructor(
    engine: Engine,
    identities: Identities,
    modules: Modules,
    gatewayId: string,
    hostNames: readonly string[],
  ) {
    this.#engine = engine;
    this.#deliveryHost = deliveryHostOf(engine);
    this.#identities = identities;
    this.#modules = modules;
    this.#gatewayId = gatewayId;
    this.#hostNames = [gatewayId, ...hostNames];
  }

  get count(): number {
    return this.#live.size;
  }

  onConnect(connection: Connection, request: ConnectRequest): void {
    const { metrics } = this.#engine;
    const decision = this.#decide(request);
    if (!decision.accepted) {
      metrics.connections_refused++;
      this.#note(request.clientId, `refused: ${decision.text}`);
      return connection.connack(decision.code);
    }
    const { deviceId, moduleId } = decision.claim;
    const name = nameOf(deviceId, moduleId);
    this.onClaim(name);
    this.takeOver(name);
    this.#live.set(name, connection);
    const publisher = new Publisher(this.#engine, connection);
    connection.session = { deviceId, moduleId, publisher, subscriber: null, inputsQos: null };
    metrics.connections_total++;
    connection.connack(CONNACK.ACCEPTED, false);
  }

  /** The newest wins, from this moment on: the old one settles nothing any more. */
  takeOver(name: string): void {
    const old = this.#live.get(name);
    if (old === undefined) return;
    this.#live.delete(name);
    old.close("taken_over");
    this.#detach(old.session!);
  }

  #decide(request: ConnectRequest): ConnectDecision {
    return decideConnect(request, {
      identityOf: (deviceId, moduleId) => this.#identities.find(deviceId, moduleId) ?? null,
      verify: (token, { deviceId, moduleId = null, primaryKey, secondaryKey }) => {
        const audience = { hosts: this.#hostNames, deviceId, moduleId };
        return verifySasToken(token, audience, [primaryKey, secondaryKey], this.#engine.clock.wall());
      },
    });
  }

  onTopic(connection: Connection, topic: string): Plan {
    const session = connection.session!;
    const parsed = parseClientTopic(topic);
    if (parsed.kind === "telemetry" && isOwnTopic(parsed, session) && this.#engine.sources.admits(parsed)) {
      return this.#planOf(parsed, {});
    }
    // Acknowledged and lost, as IoT Hub does; a twin request that is none ends the connection (contract §4.2).
    this.#engine.metrics.unknown_topic++;
    this.#note(nameOf(session.deviceId, session.moduleId), `published to "${topic}", which leads nowhere`);
    if (parsed.kind === "malformed" && parsed.mustClose) connection.close("rejected");
    return nowhere();
  }

  #planOf({ deviceId, moduleId, output, sections }: TelemetryTopic, arrival: Arrival): Plan {
    const origin = { deviceId, moduleId, output };
    const isPlain = Object.keys(arrival).length === 0;
    return {
      sourceId: this.#engine.sources.intern(origin),
      origin,
      sections: isPlain ? sections : withArrival(sections, arrival),
      path: messagePath(origin),
      targets: [],
      version: 0,
    };
  }

  onPublish(
    connection: Connection,
    plan: Plan,
    bytes: Buffer,
    from: number,
    to: number,
    qos: number,
    packetId: number,
    flags: PublishFlags,
  ): void {
    const { sys, app } = plan.sections;
    // A message counts with its properties (contract §9); the connection has looked at the body alone.
    if (to - from + sys.length + app.length > MESSAGE_BYTES_MAX) return connection.close("packet_too_large");
    const arrived =
      flags.dup || flags.retain ? { ...plan, sections: withArrival(plan.sections, flags) } : plan;
    connection.session!.publisher.publish(arrived, bytes, from, to, qos > 0, packetId);
  }

  onPuback({ session }: Connection, packetId: number): void {
    session!.subscriber?.acknowledge(packetId);
  }

  /** Any filter is granted; those the contract does not know have no effect (contract §4.2, §4.5). */
  onSubscribe(connection: Connection, packetId: number, requests: readonly SubscribeRequest[]): void {
    const session = connection.session!;
    connection.suback(
      packetId,
      requests.map(({ qos }) => Math.min(qos, 1)),
    );
    for (const { filter, qos } of requests) {
      if (classifyFilter(filter) !== "inputs" || session.moduleId === null) continue;
      session.inputsQos = qos > 0 ? 1 : 0;
      this.#attach(connection, session);
    }
  }

  onUnsubscribe(connection: Connection, packetId: number, filters: readonly string[]): void {
    const session = connection.session!;
    connection.unsuback(packetId);
    if (!filters.some((filter) => classifyFilter(filter) === "inputs")) return;
    session.inputsQos = null;
    this.#detach(session);
  }

  /** Makes the connection the consumer of its module's inputs, as far as routes lead to them. */
  #attach(connection: Connection, session: Session): void {
    const { deviceId, moduleId, inputsQos } = session;
    if (deviceId !== this.#gatewayId || moduleId === null || inputsQos === null) return;
    if (this.#modules.has(moduleId)) return this.#detach(session);
    const prefix = `${moduleId}/`;
    const inputs = [...this.#engine.endpoints.all()]
      .filter(({ name }) => name.startsWith(prefix))
      .map((endpoint) => {
        const input = endpoint.name.slice(prefix.length);
        const sourceOf = (id: number) => this.#engine.sources.origin(id);
        return { endpoint, topics: new InputTopics(deviceId, moduleId, input, sourceOf) };
      });
    session.subscriber ??= new Subscriber(connection, this.#deliveryHost);
    this.#engine.tick();
    session.subscriber.subscribe(inputs, inputsQos);
  }

  #detach(session: Session): void {
    session.subscriber?.close();
    session.subscriber = null;
  }

  /** Routes may lead to inputs that had no queue before, or no longer to some that had. */
  routesChanged(): void {
    for (const connection of this.#live.values()) {
      if (connection.session !== null) this.#attach(connection, connection.session);
    }
  }

  onClose(connection: Connection, { code, text }: CloseReason, will: Will | null): void {
    const { session } = connection;
    if (!ORDINARY_ENDS.has(code)) {
      const name = session === null ? "(nobody yet)" : nameOf(session.deviceId, session.moduleId);
      this.#note(name, `closed: ${text}`);
    }
    if (session === null) return;
    const name = nameOf(session.deviceId, session.moduleId);
    if (this.#live.get(name) === connection) this.#live.delete(name);
    this.#detach(session);
    session.publisher.close();
    if (will !== null) this.#publishWill(session, will);
  }

  /** A will is an ordinary message of its device, marked as such (contract §4.2). Nobody waits for its ack. */
  #publishWill(session: Session, { topic, payload }: Will): void {
    const parsed = parseClientTopic(topic);
    if (parsed.kind !== "telemetry" || !isOwnTopic(parsed, session)) return;
    if (!this.#engine.sources.admits(parsed)) return;
    const plan = this.#planOf(parsed, { isWill: true });
    const unheard = { puback: () => undefined, pause: () => undefined, resume: () => undefined };
    new Publisher(this.#engine, unheard).publish(plan, payload, 0, payload.length, false, 0);
  }

  #note(client: string, what: string): void {
    this.troubles.note(client, what, this.#engine.clock.wall());
  }

  drop(deviceId: string, moduleId: string | null): void {
    this.#live.get(nameOf(deviceId, moduleId))?.close("identity_removed");
  }

  closeAll(): void {
    for (const connection of this.#live.values()) connection.close("shutdown");
  }
}

const NOWHERE = { deviceId: "", moduleId: null, output: null };

function nowhere(): Plan {
  return { sourceId: 0, origin: NOWHERE, sections: NO_SECTIONS, path: null, targets: [], version: 0 };
}
