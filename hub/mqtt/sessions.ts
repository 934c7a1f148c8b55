/**
 * MQTT as a way to be a client of the hub: connections become clients, their topics messages and requests,
 * their subscriptions interests (contract §4). What any protocol has in common is in `hub/clients/`.
 */
import { CLOCK_SKEW_MS } from "../identity/sas.ts";
import { MESSAGE_BYTES_MAX, NO_SECTIONS } from "../../abi/index.ts";
import { ClientTroubles } from "../operator/client-troubles.ts";
import type { Client } from "../clients/client.ts";
import type { Clients } from "../clients/clients.ts";
import { deliveryHostOf } from "../delivery-host.ts";
import { Publisher } from "../endpoints/publisher.ts";
import type { Devicebound } from "../devicebound/devicebound.ts";
import type { Engine } from "../engine.ts";
import { keyOf, type Twins } from "../twins/twins.ts";
import type { CloseCode, CloseReason } from "./close-reason.ts";
import { decideConnect } from "./connect.ts";
import {
  CONNACK,
  type ConnectRequest,
  type MqttHandler,
  type PublishFlags,
  type SubscribeRequest,
  type Will,
} from "./handler.ts";
import { withArrival, type Arrival } from "./property-bag.ts";
import { Session, type SessionConnection, type SessionHost, type TopicPlan } from "./session.ts";
import { isSame, SessionRow, subscribed, unsubscribed, type Subscriptions } from "./session-row.ts";
import { isOwnTopic, parseClientTopic, type ClientRequest, type TelemetryTopic } from "./topics.ts";

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

export interface SessionsOptions {
  readonly engine: Engine;
  readonly clients: Clients;
  readonly twins: Twins;
  readonly devicebound: Pick<Devicebound, "deliveries">;
}

export class Sessions implements MqttHandler<Session, TopicPlan> {
  readonly troubles = new ClientTroubles();
  readonly #engine: Engine;
  readonly #clients: Clients;
  readonly #twins: Twins;
  readonly #host: SessionHost;

  constructor({ engine, clients, twins, devicebound }: SessionsOptions) {
    this.#engine = engine;
    this.#clients = clients;
    this.#twins = twins;
    this.#host = {
      deliveries: deliveryHostOf(engine),
      devicebound: devicebound.deliveries,
      sourceOf: (sourceId) => engine.sources.origin(sourceId),
    };
  }

  onConnect(connection: SessionConnection, request: ConnectRequest): void {
    const decision = decideConnect(request, {
      identityOf: (deviceId, moduleId) => this.#clients.find({ deviceId, moduleId }),
      verify: (token, identity) => this.#clients.verify(token, identity),
      certificate: () => connection.shownCertificate(),
      nowMs: this.#clients.now(),
    });
    if (!decision.accepted) {
      this.#engine.metrics.connections_refused++;
      this.#note(request.clientId, `refused: ${decision.text}`);
      return connection.connack(decision.code);
    }
    const publisher = new Publisher(this.#engine, connection);
    const session = new Session(connection, publisher, !request.clean, decision.provenBy, this.#host);
    // A clock that is behind is a client's excuse for its token; the certificate is judged by ours alone.
    const skewMs = decision.byCertificate ? CLOCK_SKEW_MS : 0;
    session.client = this.#clients.attach(decision.claim, session, decision.tokenExpiresMs - skewMs);
    connection.session = session;
    void this.#resume(connection, session);
  }

  /** A CONNACK that made or ended a session waits until that is durable (J1). */
  async #resume(connection: SessionConnection, session: Session): Promise<void> {
    const row = this.#rowOf(session.client);
    const before = row.read();
    if (session.isPersistent) {
      session.subscriptions = before ?? {};
      if (before === null) row.write({});
    } else if (before !== null) {
      row.forget();
      this.#twins.followers.forget(keyOf(session.client));
    }
    if (session.isPersistent === (before === null)) await this.#engine.journal.durable();
    connection.connack(CONNACK.ACCEPTED, session.isPersistent && before !== null);
    session.applySubscriptions();
    if (session.subscriptions.desired !== undefined) await this.#pushMissed(session);
  }

  /** What its twin has become while it was away (contract §9). */
  async #pushMissed(session: Session): Promise<void> {
    const missed = await this.#twins.missed(session.client);
    if (missed !== null && session.client.wants("desired")) session.desired(missed.patch, missed.version);
  }

  #rowOf(client: Client): SessionRow {
    return new SessionRow(this.#engine.journal, keyOf(client));
  }

  // ---- What it says ----

  onTopic(connection: SessionConnection, topic: string): TopicPlan {
    const { client } = connection.session!;
    const parsed = parseClientTopic(topic);
    if (parsed.kind === "telemetry" && isOwnTopic(parsed, client)) {
      const plan = planOf(client, parsed, {});
      if (plan !== null) return plan;
    }
    if (parsed.kind === "twin_get" || parsed.kind === "twin_patch" || parsed.kind === "method_result") {
      return { ...NOWHERE, request: parsed };
    }
    // Acknowledged and lost, as IoT Hub does; a twin request that is none ends the connection (contract §4.2).
    this.#engine.metrics.unknown_topic++;
    this.#note(client.name, `published to "${topic}", which leads nowhere`);
    if (parsed.kind === "malformed" && parsed.mustClose) connection.close("rejected");
    return { ...NOWHERE };
  }

  onPublish(
    connection: SessionConnection,
    plan: TopicPlan,
    bytes: Buffer,
    from: number,
    to: number,
    qos: number,
    packetId: number,
    flags: PublishFlags,
  ): void {
    const session = connection.session!;
    if (plan.request !== null) {
      const body = Buffer.from(bytes.subarray(from, to));
      const { journal } = this.#engine;
      const before = journal.lastStep;
      this.#serve(session, plan.request, body);
      if (qos > 0) session.publisher.acknowledge(packetId, journal.lastStep > before);
      return;
    }
    const { sys, app } = plan.sections;
    // A message counts with its properties (contract §9); the connection has looked at the body alone.
    if (to - from + sys.length + app.length > MESSAGE_BYTES_MAX) return connection.close("packet_too_large");
    const arrived =
      flags.dup || flags.retain ? { ...plan, sections: withArrival(plan.sections, flags) } : plan;
    session.publisher.publish(arrived, bytes, from, to, qos > 0, packetId);
  }

  #serve(session: Session, request: ClientRequest, body: Buffer): void {
    const { client } = session;
    const { rid } = request;
    switch (request.kind) {
      case "method_result":
        return client.methodResult(rid, request.status, body);
      case "twin_patch":
        return void client.patchReported(body).then((answer) => session.answerTwin(rid, answer));
      case "twin_get":
        void client.twin().then((answer) => session.answerTwin(rid, answer));
        if (session.isPersistent) this.#twins.followers.hasRead(keyOf(client));
    }
  }

  onPuback({ session }: SessionConnection, packetId: number): void {
    session!.acknowledge(packetId);
  }

  // ---- What it wants ----

  /** Any filter is granted; those the contract does not know have no effect (contract §4.2, §4.5). */
  onSubscribe(connection: SessionConnection, packetId: number, requests: readonly SubscribeRequest[]): void {
    const session = connection.session!;
    const codes = requests.map(({ qos }) => Math.min(qos, 1));
    this.#change(session, subscribed(session.subscriptions, requests), () =>
      connection.suback(packetId, codes),
    );
  }

  onUnsubscribe(connection: SessionConnection, packetId: number, filters: readonly string[]): void {
    const session = connection.session!;
    this.#change(session, unsubscribed(session.subscriptions, filters), () => connection.unsuback(packetId));
  }

  /** An answer that says that a session has changed waits until that is durable (J1). */
  #change(session: Session, subscriptions: Subscriptions, answer: () => void): void {
    const isChanged = !isSame(session.subscriptions, subscriptions);
    session.subscriptions = subscriptions;
    if (!isChanged || !session.isPersistent) {
      answer();
    } else {
      const { followers } = this.#twins;
      const key = keyOf(session.client);
      if (subscriptions.desired === undefined) followers.forget(key);
      else followers.follow(key);
      this.#rowOf(session.client).write(subscriptions);
      void this.#engine.journal.durable().then(answer);
    }
    session.applySubscriptions();
  }

  // ---- How it ends ----

  onClose(connection: SessionConnection, { code, text }: CloseReason, will: Will | null): void {
    const { session } = connection;
    if (!ORDINARY_ENDS.has(code)) this.#note(session?.client.name ?? "(nobody yet)", `closed: ${text}`);
    if (session === null) return;
    session.client.detach();
    session.release();
    session.publisher.close();
    if (will !== null) this.#publishWill(session.client, will);
  }

  /** A will is an ordinary message of its device, marked as such (contract §4.2). Nobody waits for its ack. */
  #publishWill(client: Client, { topic, payload }: Will): void {
    const parsed = parseClientTopic(topic);
    if (parsed.kind !== "telemetry" || !isOwnTopic(parsed, client)) return;
    const plan = planOf(client, parsed, { isWill: true });
    if (plan === null) return;
    const unheard = { puback: () => undefined, pause: () => undefined, resume: () => undefined };
    new Publisher(this.#engine, unheard).publish(plan, payload, 0, payload.length, false, 0);
  }

  #note(client: string, what: string): void {
    this.troubles.note(client, what, this.#engine.clock.wall());
  }
}

function planOf(client: Client, { output, sections }: TelemetryTopic, arrival: Arrival): TopicPlan | null {
  const isPlain = Object.keys(arrival).length === 0;
  const plan = client.planOf(output, isPlain ? sections : withArrival(sections, arrival));
  return plan === null ? null : { ...plan, request: null };
}

const NOWHERE: TopicPlan = {
  sourceId: 0,
  origin: { deviceId: "", moduleId: null, output: null },
  sections: NO_SECTIONS,
  path: null,
  targets: [],
  version: 0,
  request: null,
};
