/**
 * AMQP clients: what an identity on an AMQP connection is to the hub. It sends what its own identity may send,
 * and, when it is a module, receives its inputs. One live connection per identity over all protocols; the newest
 * wins (contract §0, 12): the links of that identity go, and other identities of the same connection stay.
 */
import type { PeerCertificate } from "node:tls";
import { NO_SECTIONS } from "../abi/index.ts";
import type { CloseCode, CloseReason } from "./amqp/close-reason.ts";
import type { AmqpError } from "./amqp/codec.ts";
import type { AmqpConnection } from "./amqp/connection.ts";
import { DeliveryLink, type DeliveryLinkHost } from "./amqp/delivery-link.ts";
import {
  identityName,
  type AmqpHandler,
  type AmqpIdentity,
  type LinkRequest,
  type TokenVerdict,
} from "./amqp/handler.ts";
import type { OutgoingLink } from "./amqp/outgoing-link.ts";
import { AMQP_LIMITS } from "./amqp/limits.ts";
import { REFUSED } from "./amqp/outcome.ts";
import type { ClientServices } from "./amqp/services.ts";
import { MethodLink } from "./amqp/method-link.ts";
import { TwinLink } from "./amqp/twin-link.ts";
import { TelemetryLink, type TelemetryHost } from "./amqp/telemetry-link.ts";
import type { ClientTroubles } from "./client-troubles.ts";
import { deliveryHostOf } from "./delivery-host.ts";
import { Publisher, type Plan } from "./endpoints/publisher.ts";
import type { Engine } from "./engine.ts";
import { CLOCK_SKEW_MS, verifySasToken } from "./identity/sas.ts";
import type { Identities } from "./identity/identities.ts";
import type { Modules } from "./modules.ts";
import { messagePath } from "./router/source.ts";

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

export interface AmqpClientsOptions {
  readonly engine: Engine;
  readonly identities: Identities;
  readonly modules: Modules;
  readonly gatewayId: string;
  /** Names by which clients know this gateway: what their tokens may be for. */
  readonly hostNames: readonly string[];
  readonly troubles: ClientTroubles;
  /** Whose certificate it is; absent = certificates prove nothing. */
  readonly certificates?: (certificate: PeerCertificate) => AmqpIdentity | null;
  /** Twins, methods, cloud-to-device messages; absent = links for them are refused. */
  readonly services?: ClientServices;
  /** The identity connects here now: whoever has it over another protocol has to go. */
  readonly onClaim: (name: string) => void;
}

/** What one identity has on one connection. */
interface Client {
  readonly connection: AmqpConnection;
  readonly identity: AmqpIdentity;
  inputs: DeliveryLink | null;
  twin: TwinLink | null;
  methods: MethodLink | null;
}

export class AmqpClients implements AmqpHandler {
  readonly #options: AmqpClientsOptions;
  /** By name: the connection that has the identity. */
  readonly #live = new Map<string, Client>();
  readonly #telemetryHost: TelemetryHost;
  readonly #deliveryHost: DeliveryLinkHost;

  constructor(options: AmqpClientsOptions) {
    this.#options = options;
    const { engine } = options;
    this.#telemetryHost = {
      publisherFor: (socket) => new Publisher(engine, socket),
      planOf: (identity, output) => this.#planOf(identity, output),
      stalledMsMax: AMQP_LIMITS.stalledMsMax,
    };
    this.#deliveryHost = {
      window: deliveryHostOf(engine),
      originOf: (sourceId) => engine.sources.origin(sourceId),
      durable: () => {
        engine.journal.step(); // what was settled in this turn, whatever cursors it has moved
        return engine.journal.durable();
      },
    };
  }

  get count(): number {
    return this.#live.size;
  }

  // ---- Who they are ----

  verifyToken({ deviceId, moduleId }: AmqpIdentity, token: string): TokenVerdict {
    const { identities, gatewayId, hostNames, engine } = this.#options;
    const refuse = (text: string): TokenVerdict => {
      engine.metrics.connections_refused++;
      return { ok: false, text };
    };
    const known = identities.find(deviceId, moduleId);
    if (known === undefined) return refuse("no such device or module");
    if (!known.enabled) return refuse("device or module is disabled");
    const audience = { hosts: [gatewayId, ...hostNames], deviceId, moduleId };
    const verdict = verifySasToken(token, audience, [known.primaryKey, known.secondaryKey], this.now());
    if (!verdict.ok) return refuse(REASONS[verdict.reason]);
    return { ok: true, identity: { deviceId, moduleId }, expiresMs: verdict.expiresMs + CLOCK_SKEW_MS };
  }

  verifyCertificate(certificate: PeerCertificate): AmqpIdentity | null {
    return this.#options.certificates?.(certificate) ?? null;
  }

  now(): number {
    return this.#options.engine.clock.wall();
  }

  // ---- What they want ----

  onLink(connection: AmqpConnection, request: LinkRequest): AmqpError | null {
    const { kind, identity } = request.purpose;
    const client = this.#claim(connection, identity);
    if (kind === "events" && request.link.isIncoming) {
      request.link.user = new TelemetryLink(request.link, identity, this.#telemetryHost);
      return null;
    }
    if (kind === "inputs" && !request.link.isIncoming) return this.#serveInputs(client, request.link);
    const { services } = this.#options;
    return services === undefined ? REFUSED.notImplemented : this.#serve(client, request, services);
  }

  #serve(client: Client, { purpose, link }: LinkRequest, services: ClientServices): AmqpError | null {
    const { identity } = client;
    switch (purpose.kind) {
      case "twin":
        client.twin ??= new TwinLink(identity, services);
        client.twin.pair.attach(link);
        return null;
      case "methods":
        client.methods ??= new MethodLink(identity, services);
        client.methods.pair.attach(link);
        return null;
      default:
        return link.isIncoming ? REFUSED.notAllowed : this.#serveDevicebound(identity, link, services);
    }
  }

  #serveDevicebound(identity: AmqpIdentity, link: OutgoingLink, services: ClientServices): AmqpError | null {
    const endpoint = services.deviceboundOf(identity);
    if (endpoint === null) return REFUSED.notAllowed;
    const devicebound = new DeliveryLink(link, this.#deliveryHost, () => undefined);
    link.user = devicebound;
    this.#options.engine.tick();
    devicebound.deliverFrom([{ endpoint, input: null }]);
    return null;
  }

  #claim(connection: AmqpConnection, identity: AmqpIdentity): Client {
    const name = identityName(identity);
    const old = this.#live.get(name);
    if (old?.connection === connection) return old;
    this.#options.onClaim(name);
    this.takeOver(name);
    const client: Client = { connection, identity, inputs: null, twin: null, methods: null };
    this.#live.set(name, client);
    this.#options.engine.metrics.connections_total++;
    return client;
  }

  /** The identity is somebody else's now. */
  takeOver(name: string): void {
    const client = this.#live.get(name);
    this.#live.delete(name);
    client?.connection.detachIdentity(name, REFUSED.stolen);
  }

  #planOf(identity: AmqpIdentity, output: string | null): Plan | null {
    const { sources } = this.#options.engine;
    // A device has no outputs: what it calls one is ignored, as IoT Hub does.
    const origin = { ...identity, output: identity.moduleId === null ? null : output };
    if (!sources.admits(origin)) return null;
    const plan = { sourceId: sources.intern(origin), origin, path: messagePath(origin) };
    return { ...plan, sections: NO_SECTIONS, targets: [], version: 0 };
  }

  #serveInputs(client: Client, link: OutgoingLink): AmqpError | null {
    const { deviceId, moduleId } = client.identity;
    if (deviceId === this.#options.gatewayId && this.#options.modules.has(moduleId!))
      return REFUSED.notAllowed;
    const inputs: DeliveryLink = new DeliveryLink(link, this.#deliveryHost, () => {
      if (client.inputs === inputs) client.inputs = null;
    });
    link.user = client.inputs = inputs;
    this.#deliverTo(client);
    return null;
  }

  /** Has a module's link deliver from its inputs, as far as routes lead to them. */
  #deliverTo({ identity, inputs }: Client): void {
    const { engine, gatewayId, modules } = this.#options;
    const { deviceId, moduleId } = identity;
    if (inputs === null || deviceId !== gatewayId || modules.has(moduleId!)) return;
    const prefix = `${moduleId}/`;
    engine.tick();
    inputs.deliverFrom(
      [...engine.endpoints.all()]
        .filter(({ name }) => name.startsWith(prefix))
        .map((endpoint) => ({ endpoint, input: endpoint.name.slice(prefix.length) })),
    );
  }

  /** Routes may lead to inputs that had no queue before, or no longer to some that had. */
  routesChanged(): void {
    for (const client of this.#live.values()) this.#deliverTo(client);
  }

  // ---- How it ends ----

  onTrouble(connection: AmqpConnection, what: string): void {
    this.#note(connection, what);
  }

  onClose(connection: AmqpConnection, { code, text }: CloseReason): void {
    if (!ORDINARY_ENDS.has(code)) this.#note(connection, `closed: ${text}`);
    for (const [name, client] of this.#live) if (client.connection === connection) this.#live.delete(name);
  }

  #note(connection: AmqpConnection, what: string): void {
    const [name = connection.containerId || "(nobody yet)"] = connection.authority.names();
    this.#options.troubles.note(name, what, this.now());
  }

  drop(deviceId: string, moduleId: string | null): void {
    const name = identityName({ deviceId, moduleId });
    const client = this.#live.get(name);
    this.#live.delete(name);
    client?.connection.revoke(name, REFUSED.removed, "unauthorized");
  }
}
