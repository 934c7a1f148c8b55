/**
 * All clients that are connected, over all protocols: one per identity, and the newest wins (contract §0, 12).
 * Whoever is removed, disabled, or has a token that ends is ended here, whatever it is connected by.
 */
import { identifyCertificate, type CertificateOwner } from "../identity/certificate-owner.ts";
import type { ShownCertificate } from "../identity/client-certificate.ts";
import { isProvenBy, keysOf } from "../identity/identity.ts";
import { CLOCK_SKEW_MS, verifySasToken, type SasVerdict } from "../identity/sas.ts";
import { NO_SECTIONS, type Sections } from "../../abi/index.ts";
import type { Devicebound } from "../devicebound/devicebound.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Plan } from "../endpoints/publisher.ts";
import type { Engine } from "../engine.ts";
import type { ConnectedClient, Identity } from "../face.ts";
import type { Identities } from "../identity/identities.ts";
import type { Methods, MethodTarget } from "../methods/methods.ts";
import type { Modules } from "../modules/modules.ts";
import { messagePath } from "../router/source.ts";
import { twinFailed, twinPatched, twinRead, twinRefused, type TwinAnswer } from "../twins/twin-answer.ts";
import { clientView } from "../twins/twin.ts";
import type { Twins } from "../twins/twins.ts";
import { nameOf, type ClientChannel, type ClientEnd, type ClientName, type ModuleInput } from "./channel.ts";
import { Client, TWIN_REQUESTS_MAX, type ClientHost } from "./client.ts";

/** Wall clocks jump: whose token has ended is looked for at least this often, ms. */
const EXPIRY_REVIEW_MS_MAX = 60_000;

export interface ClientsOptions {
  readonly engine: Engine;
  readonly identities: Identities;
  readonly modules: Modules;
  readonly twins: Twins;
  readonly devicebound: Pick<Devicebound, "queueOf" | "onOpened">;
  readonly gatewayId: string;
  /** Further names by which clients know this gateway: what their tokens may be for. */
  readonly hostNames: readonly string[];
}

export class Clients implements ClientHost {
  readonly #options: ClientsOptions;
  readonly #hosts: readonly string[];
  readonly #live = new Map<string, Client>();
  #methods: Methods | null = null;
  #expiryTimer: NodeJS.Timeout | null = null;
  /** When the timer fires, wall clock. */
  #reviewAtMs = Infinity;

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.#hosts = [options.gatewayId, ...options.hostNames];
    options.twins.onDesired((name, patch, version) => {
      const client = this.#live.get(name);
      if (client?.wants("desired") === true) client.channel.desired(patch, version);
    });
    options.devicebound.onOpened((deviceId) => {
      const client = this.#live.get(deviceId);
      if (client?.wants("devicebound") === true) client.attachDevicebound();
    });
  }

  /** Where answers to calls go; they in turn find clients to call here. */
  serveMethods(methods: Methods): void {
    this.#methods = methods;
  }

  // ---- Who may be one ----

  /** `undefined`: not known yet, or no more; try again later. */
  find({ deviceId, moduleId }: ClientName): Identity | null | undefined {
    if (this.#options.engine.journal.state === "failed") return undefined;
    return this.#options.identities.find(deviceId, moduleId) ?? null;
  }

  /** Whether the token is this identity's. `expiresMs` is as in the token; see `attach`. */
  verify(token: string, identity: Identity): SasVerdict {
    const { deviceId, moduleId } = identity;
    const audience = { hosts: this.#hosts, deviceId, moduleId: moduleId ?? null };
    return verifySasToken(token, audience, keysOf(identity), this.#options.engine.clock.wall());
  }

  /** Whose certificate it is, where the client does not say so first. */
  identify(certificate: ShownCertificate): CertificateOwner {
    return identifyCertificate(certificate, this.#options.identities, this.now());
  }

  now(): number {
    return this.#options.engine.clock.wall();
  }

  // ---- Who is one ----

  /**
   * The identity is this channel's from now on; whoever had it is ended first, and settles nothing any more.
   * @param tokenExpiresMs as in the token; `Infinity` without one
   */
  attach(name: ClientName, channel: ClientChannel, tokenExpiresMs: number): Client {
    const { metrics } = this.#options.engine;
    this.#live.get(nameOf(name))?.end("taken_over");
    const client = new Client(name, channel, tokenExpiresMs + CLOCK_SKEW_MS, this);
    this.#live.set(client.name, client);
    metrics.connections_total++;
    this.#reviewBy(client.expiresMs);
    return client;
  }

  /** It has shown a newer token on the same transport. */
  renew(client: Client, tokenExpiresMs: number): void {
    client.expiresMs = tokenExpiresMs + CLOCK_SKEW_MS;
    this.#reviewBy(client.expiresMs);
  }

  detached(client: Client): void {
    if (this.#live.get(client.name) === client) this.#live.delete(client.name);
  }

  get count(): number {
    return this.#live.size;
  }

  list(): ConnectedClient[] {
    return [...this.#live.values()].map(({ deviceId, moduleId, expiresMs }) => ({
      deviceId,
      moduleId,
      expires: Number.isFinite(expiresMs) ? new Date(expiresMs).toISOString() : null,
    }));
  }

  // ---- How it ends ----

  /** What happened to an identity ends whoever has it. */
  end(name: ClientName, why: ClientEnd): void {
    this.#live.get(nameOf(name))?.end(why);
  }

  /** Ends whoever has the identity by what is none of its credentials any more. */
  endUnproven(identity: Identity): void {
    const { deviceId, moduleId = null } = identity;
    const client = this.#live.get(nameOf({ deviceId, moduleId }));
    if (client !== undefined && !isProvenBy(identity, client.channel.provenBy))
      client.end("identity_removed");
  }

  close(): void {
    if (this.#expiryTimer !== null) clearTimeout(this.#expiryTimer);
    this.#expiryTimer = null;
    for (const client of this.#live.values()) client.end("shutdown");
  }

  #reviewBy(wallMs: number): void {
    if (wallMs >= this.#reviewAtMs) return;
    const now = this.#options.engine.clock.wall();
    this.#reviewAtMs = Math.min(wallMs, now + EXPIRY_REVIEW_MS_MAX);
    if (this.#expiryTimer !== null) clearTimeout(this.#expiryTimer);
    this.#expiryTimer = setTimeout(() => this.#review(), Math.max(0, this.#reviewAtMs - now) + 1).unref();
  }

  #review(): void {
    const now = this.#options.engine.clock.wall();
    let next = Infinity;
    for (const client of this.#live.values()) {
      if (client.expiresMs <= now) client.end("token_expired");
      else next = Math.min(next, client.expiresMs);
    }
    this.#expiryTimer = null;
    this.#reviewAtMs = Infinity;
    this.#reviewBy(next);
  }

  // ---- What they ask ----

  planOf(
    { deviceId, moduleId }: ClientName,
    output: string | null,
    sections: Sections = NO_SECTIONS,
  ): Plan | null {
    const { sources } = this.#options.engine;
    const origin = { deviceId, moduleId, output };
    if (!sources.admits(origin)) return null;
    const sourceId = sources.intern(origin);
    return { sourceId, origin, sections, path: messagePath(origin), targets: [], version: 0 };
  }

  /** A module of this gateway runs under that name in a sandbox, which has its inputs. */
  isSandboxed({ deviceId, moduleId }: ClientName): boolean {
    const { gatewayId, modules } = this.#options;
    return deviceId === gatewayId && moduleId !== null && modules.has(moduleId);
  }

  /** Those of a module of this gateway, as far as routes lead to them and no sandbox has them. */
  inputsOf(name: ClientName): ModuleInput[] {
    const { engine, gatewayId } = this.#options;
    const { deviceId, moduleId } = name;
    if (deviceId !== gatewayId || moduleId === null || this.isSandboxed(name)) return [];
    const prefix = `${moduleId}/`;
    engine.tick();
    return [...engine.endpoints.all()]
      .filter((endpoint) => endpoint.name.startsWith(prefix))
      .map((endpoint) => ({ name: endpoint.name.slice(prefix.length), endpoint }));
  }

  deviceboundOf({ deviceId, moduleId }: ClientName): Endpoint | null {
    if (moduleId !== null) return null;
    this.#options.engine.tick();
    return this.#options.devicebound.queueOf(deviceId);
  }

  /** Routes may lead to inputs that had no queue before, or no longer to some that had. */
  routesChanged(): void {
    for (const client of this.#live.values()) if (client.wants("inputs")) client.attachInputs();
  }

  async getTwin(name: ClientName): Promise<TwinAnswer> {
    return this.#options.twins.get(name).then((twin) => twinRead(clientView(twin)), twinFailed);
  }

  async patchReported(name: ClientName, patch: Buffer): Promise<TwinAnswer> {
    let parsed: unknown;
    try {
      parsed = JSON.parse(patch.toString());
    } catch {
      return twinRefused(400, "twin: the patch is not JSON");
    }
    const { twins } = this.#options;
    return twins
      .patchReported(name, parsed)
      .then(({ reported }) => twinPatched(reported.version), twinFailed);
  }

  tooManyTwinRequests(): TwinAnswer {
    return twinRefused(429, `twin: more than ${TWIN_REQUESTS_MAX} requests wait for an answer`);
  }

  // ---- What they are asked ----

  /** Whoever takes calls of methods under this name. */
  methodTarget(name: ClientName): MethodTarget | null {
    const client = this.#live.get(nameOf(name));
    if (client?.wants("methods") !== true) return null;
    return { invoke: (call) => client.channel.method(call) };
  }

  callable(name: ClientName): void {
    this.#methods?.appeared(name);
  }

  methodResult(from: ClientName, rid: string, status: number, body: Buffer): void {
    this.#methods?.answered(from, rid, status, body);
  }
}
