/**
 * AMQP as a way to be a client of the hub: an identity becomes one when it shows its token or certificate, and its
 * links are what it wants. Several identities may share a connection; when one of them is one no longer its links
 * go, and the others stay (contract §5.1). What any protocol has in common is in `hub/clients/`.
 */
import type { ShownCertificate } from "../identity/client-certificate.ts";
import type { CloseCode, CloseReason } from "./close-reason.ts";
import type { AmqpError } from "./codec.ts";
import type { AmqpConnection } from "./connection.ts";
import { DeliveryLink, type DeliveryLinkHost } from "./delivery-link.ts";
import { DeviceboundLink, type DeviceboundLinkHost } from "./devicebound-link.ts";
import {
  identityName,
  type AmqpHandler,
  type AmqpIdentity,
  type LinkRequest,
  type TokenVerdict,
} from "./handler.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import { AMQP_LIMITS } from "./limits.ts";
import { MethodLink } from "./method-link.ts";
import { REFUSED } from "./outcome.ts";
import type { Answer, ClientServices, MethodCall } from "./services.ts";
import { TelemetryLink, type TelemetryHost } from "./telemetry-link.ts";
import { TwinLink } from "./twin-link.ts";
import type { ClientTroubles } from "../operator/client-troubles.ts";
import type { ClientChannel, ClientEnd, ModuleInput } from "../clients/channel.ts";
import type { Client } from "../clients/client.ts";
import type { Clients } from "../clients/clients.ts";
import { deliveryHostOf } from "../delivery-host.ts";
import { LOCK_MS, type Devicebound } from "../devicebound/devicebound.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { Publisher } from "../endpoints/publisher.ts";
import type { Engine } from "../engine.ts";
import { CLOCK_SKEW_MS } from "../identity/sas.ts";
import type { MethodInvocation } from "../methods/methods.ts";
import type { TwinAnswer } from "../twins/twin-answer.ts";

/** How connections end without anything being wrong, or with it said already. */
const ORDINARY_ENDS: ReadonlySet<CloseCode> = new Set([
  "closed",
  "connection_lost",
  "socket_error",
  "open_timeout",
  "refused",
  "shutdown",
]);

const REASONS = {
  malformed: "token is no shared access signature",
  expired: "token has expired; is the client's clock right?",
  audience: "token is for another resource",
  signature: "token is signed with another key",
} as const;

/** What the links of an identity that is a client no longer are told, and its connection if there is no other. */
const ENDS: Readonly<Record<Exclude<ClientEnd, "shutdown">, readonly [AmqpError, CloseCode]>> = {
  taken_over: [REFUSED.stolen, "taken_over"],
  token_expired: [REFUSED.expired, "token_expired"],
  identity_removed: [REFUSED.removed, "unauthorized"],
  identity_disabled: [REFUSED.removed, "unauthorized"],
  no_progress: [REFUSED.unsettled, "unsettled"],
};

export interface AmqpClientsOptions {
  readonly engine: Engine;
  readonly clients: Clients;
  readonly troubles: ClientTroubles;
  readonly devicebound: Pick<Devicebound, "deliveries">;
}

/** What one identity has on one connection: the channel to its client, and what its links ask of the hub. */
class AmqpClient implements ClientChannel, ClientServices {
  readonly connection: AmqpConnection;
  /** Set once, by whoever made both. */
  client!: Client;
  /** What it has shown last. */
  provenBy: string;
  readonly twin: TwinLink;
  readonly methods: MethodLink;
  #inputs: DeliveryLink | null = null;
  #devicebound: DeviceboundLink | null = null;
  #push: ((patch: Uint8Array) => void) | null = null;
  #call: ((call: MethodCall) => void) | null = null;

  constructor(connection: AmqpConnection, identity: AmqpIdentity, provenBy: string) {
    this.connection = connection;
    this.provenBy = provenBy;
    this.twin = new TwinLink(identity, this);
    this.methods = new MethodLink(identity, this);
  }

  receiveInputs(link: OutgoingLink, host: DeliveryLinkHost): void {
    const inputs: DeliveryLink = new DeliveryLink(link, host, () => {
      if (this.#inputs !== inputs) return;
      this.#inputs = null;
      this.client.interest("inputs", false);
    });
    link.user = this.#inputs = inputs;
    this.client.interest("inputs", true);
  }

  receiveDevicebound(link: OutgoingLink, host: DeviceboundLinkHost): void {
    const devicebound: DeviceboundLink = new DeviceboundLink(link, host, () => {
      if (this.#devicebound !== devicebound) return;
      this.#devicebound = null;
      this.client.interest("devicebound", false);
    });
    link.user = this.#devicebound = devicebound;
    this.client.interest("devicebound", true);
  }

  // ---- From the hub ----

  inputs(inputs: readonly ModuleInput[]): void {
    this.#inputs?.deliverFrom(inputs.map(({ name, endpoint }) => ({ endpoint, input: name })));
  }

  devicebound(queue: Endpoint | null): void {
    this.#devicebound?.deliverFrom(queue);
  }

  desired(patch: Buffer): void {
    this.#push?.(patch);
  }

  method({ rid, name, payload }: MethodInvocation): void {
    const respond = (status: number, body: Uint8Array): void =>
      this.client.methodResult(rid, status, Buffer.from(body));
    this.#call?.({ name, payload, respond });
  }

  end(why: ClientEnd): void {
    if (why === "shutdown") return this.connection.close("shutdown");
    const [error, code] = ENDS[why];
    this.connection.revoke(this.client.name, error, code);
  }

  // ---- From its links ----

  getTwin(_identity: AmqpIdentity, answer: Answer): void {
    void this.client.twin().then((twin) => tell(answer, twin));
  }

  patchReported(_identity: AmqpIdentity, patch: Uint8Array, answer: Answer): void {
    void this.client.patchReported(Buffer.from(patch)).then((twin) => tell(answer, twin));
  }

  watchDesired(_identity: AmqpIdentity, push: (patch: Uint8Array) => void): () => void {
    this.#push = push;
    this.client.interest("desired", true);
    return () => {
      this.#push = null;
      this.client.interest("desired", false);
    };
  }

  serveMethods(_identity: AmqpIdentity, call: (call: MethodCall) => void): () => void {
    this.#call = call;
    this.client.interest("methods", true);
    return () => {
      this.#call = null;
      this.client.interest("methods", false);
    };
  }
}

const tell = (answer: Answer, { status, body }: TwinAnswer): void =>
  answer(status, body.length === 0 ? null : body);

export class AmqpClients implements AmqpHandler {
  readonly #options: AmqpClientsOptions;
  /** By name: the connection that has the identity, of those that speak AMQP. */
  readonly #live = new Map<string, AmqpClient>();
  readonly #telemetryHost: TelemetryHost;
  readonly #deliveryHost: DeliveryLinkHost;
  readonly #deviceboundHost: DeviceboundLinkHost;

  constructor(options: AmqpClientsOptions) {
    this.#options = options;
    const { engine } = options;
    this.#telemetryHost = {
      publisherFor: (socket) => new Publisher(engine, socket),
      planOf: (identity, output) =>
        options.clients.planOf(identity, identity.moduleId === null ? null : output),
      stalledMsMax: AMQP_LIMITS.stalledMsMax,
    };
    const durable = (): Promise<void> => {
      engine.journal.step(); // a cursor that moved is none by itself, and somebody waits for it
      return engine.journal.durable();
    };
    this.#deliveryHost = {
      window: deliveryHostOf(engine),
      originOf: (sourceId) => engine.sources.origin(sourceId),
      durable,
    };
    this.#deviceboundHost = {
      window: options.devicebound.deliveries,
      lockMs: LOCK_MS,
      durable,
    };
  }

  // ---- Who they are ----

  verifyToken({ deviceId, moduleId }: AmqpIdentity, token: string): TokenVerdict {
    const { clients, engine } = this.#options;
    const refuse = (text: string): TokenVerdict => {
      engine.metrics.connections_refused++;
      return { ok: false, text };
    };
    const known = clients.find({ deviceId, moduleId });
    if (known === undefined) return refuse("identities are not known yet");
    if (known === null) return refuse("no such device or module");
    if (!known.enabled) return refuse("device or module is disabled");
    const verdict = clients.verify(token, known);
    if (!verdict.ok) return refuse(REASONS[verdict.reason]);
    const { expiresMs, by } = verdict;
    return { ok: true, identity: { deviceId, moduleId }, expiresMs: expiresMs + CLOCK_SKEW_MS, by };
  }

  verifyCertificate(certificate: ShownCertificate): TokenVerdict {
    return this.#options.clients.identify(certificate);
  }

  /** It has the identity from now on, as over MQTT; a newer token on the same connection renews it. */
  onShown(connection: AmqpConnection, identity: AmqpIdentity, expiresMs: number, by: string): void {
    const { clients } = this.#options;
    const known = this.#ownOf(connection, identity);
    if (known !== null) {
      known.provenBy = by;
      return clients.renew(known.client, expiresMs - CLOCK_SKEW_MS);
    }
    const own = new AmqpClient(connection, identity, by);
    own.client = clients.attach(identity, own, expiresMs - CLOCK_SKEW_MS);
    this.#live.set(identityName(identity), own);
  }

  #ownOf(connection: AmqpConnection, identity: AmqpIdentity): AmqpClient | null {
    const own = this.#live.get(identityName(identity));
    return own?.connection === connection && own.client.isLive ? own : null;
  }

  // ---- What they want ----

  onLink(connection: AmqpConnection, { purpose, link }: LinkRequest): AmqpError | null {
    const { kind, identity } = purpose;
    const own = this.#ownOf(connection, identity);
    if (own === null) return REFUSED.unauthorized;
    switch (kind) {
      case "events":
        if (!link.isIncoming) return REFUSED.notAllowed;
        link.user = new TelemetryLink(link, identity, this.#telemetryHost);
        return null;
      case "inputs":
        if (link.isIncoming) return REFUSED.notAllowed;
        return this.#receiveInputs(own, link);
      case "twin":
        own.twin.pair.attach(link);
        return null;
      case "methods":
        own.methods.pair.attach(link);
        return null;
      default:
        // Only devices get messages.
        if (link.isIncoming || identity.moduleId !== null) return REFUSED.notAllowed;
        own.receiveDevicebound(link, this.#deviceboundHost);
        return null;
    }
  }

  #receiveInputs(own: AmqpClient, link: OutgoingLink): AmqpError | null {
    if (this.#options.clients.isSandboxed(own.client)) return REFUSED.notAllowed;
    own.receiveInputs(link, this.#deliveryHost);
    return null;
  }

  // ---- How it ends ----

  onTrouble(connection: AmqpConnection, what: string): void {
    this.#note(connection, what);
  }

  onClose(connection: AmqpConnection, { code, text }: CloseReason): void {
    if (!ORDINARY_ENDS.has(code)) this.#note(connection, `closed: ${text}`);
    for (const [name, own] of this.#live) {
      if (own.connection !== connection) continue;
      own.client.detach();
      this.#live.delete(name);
    }
  }

  #note(connection: AmqpConnection, what: string): void {
    const [name = connection.containerId || "(nobody yet)"] = connection.authority.names();
    this.#options.troubles.note(name, what, this.#options.engine.clock.wall());
  }
}
