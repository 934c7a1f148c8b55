/**
 * The certificates that the TLS listeners show, over the life of a gateway: loaded at start, looked at once a day.
 * Our own is renewed in time; what the operator brings is read again, in case it was replaced. A certificate that
 * cannot be renewed or read leaves the one that is shown in place: a gateway runs whatever the state of its papers.
 */
import { toErrorRecord } from "../../abi/index.ts";
import type { ListenerCertificate, ListenerConfig, ListenerTls } from "../../hub/index.ts";
import type { ServerCertificate } from "../certificates/index.ts";
import { isSecure, type ListenerSettings } from "../folder/gateway-config.ts";
import type { GatewayPaths } from "../folder/gateway-folder.ts";
import type { Log } from "../log.ts";

const CHECK_EVERY_MS = 24 * 60 * 60 * 1000;

export interface ListenerCertificatesOptions {
  readonly paths: Pick<GatewayPaths, "dir" | "tls">;
  readonly hostname: string;
  readonly listeners: readonly ListenerSettings[];
  readonly log: Log;
  /** Wall clock, ms. */
  readonly nowMs: () => number;
}

type Replace = (certificates: readonly ListenerCertificate[]) => Promise<void>;

export class ListenerCertificates {
  readonly #options: ListenerCertificatesOptions;
  /** By place in the list of listeners. */
  readonly #shown = new Map<number, ServerCertificate>();
  #replace: Replace | null = null;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();

  constructor(options: ListenerCertificatesOptions) {
    this.#options = options;
  }

  /** When the first of those shown expires; `null` without any. */
  get notAfter(): string | null {
    return [...this.#shown.values()].map(({ notAfter }) => notAfter).toSorted()[0] ?? null;
  }

  /** The listeners with their keys. @throws {CertificateError} */
  async load(): Promise<readonly ListenerConfig[]> {
    await this.#renew();
    const loaded: ListenerConfig[] = [];
    for (const [index, { protocol, host, port, portsToTry }] of this.#options.listeners.entries()) {
      const listener = { protocol, host, port, portsToTry };
      const tls = isSecure(protocol) ? await this.#read(index) : null;
      if (tls !== null) this.#shown.set(index, tls);
      const authorities = await this.#authoritiesOf(index);
      loaded.push(
        tls === null ? listener : { ...listener, tls: { key: tls.key, cert: tls.cert, ...authorities } },
      );
    }
    return loaded;
  }

  /** From now on, gives `replace` what has changed. */
  watch(replace: Replace): void {
    if (this.#shown.size === 0) return;
    this.#replace = replace;
    this.#timer = setInterval(() => void this.check(), CHECK_EVERY_MS).unref();
  }

  /** What the timer does. Never rejects. */
  check(): Promise<void> {
    this.#checking = this.#checking.then(() => this.#review());
    return this.#checking;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#replace = null;
    await this.#checking;
  }

  async #review(): Promise<void> {
    if (this.#replace === null) return;
    await this.#renew();
    const changed = new Map<number, ServerCertificate>();
    for (const [index, shown] of this.#shown) {
      const found = await this.#read(index).catch((error: unknown) => this.#complain(index, error));
      if (found !== null && (found.cert !== shown.cert || found.key !== shown.key)) changed.set(index, found);
    }
    if (changed.size === 0) return;
    try {
      await this.#replace([...changed].map(([listener, { key, cert }]) => ({ listener, key, cert })));
      for (const [index, found] of changed) this.#shown.set(index, found);
      this.#options.log.info({ notAfter: this.notAfter }, "TLS listeners show another certificate");
    } catch (error) {
      this.#options.log.error(
        { ...toErrorRecord(error) },
        "certificate cannot be replaced; tried again tomorrow",
      );
    }
  }

  #complain(index: number, error: unknown): null {
    const { protocol, port } = this.#options.listeners[index]!;
    this.#options.log.error(
      { ...toErrorRecord(error), protocol, port },
      "certificate cannot be read; the one that was read before is still shown",
    );
    return null;
  }

  async #read(index: number): Promise<ServerCertificate> {
    const { paths, listeners, log, nowMs } = this.#options;
    const { port, tls } = listeners[index]!;
    const { loadServerCertificate, EXPIRY_WARN_DAYS } = await import("../certificates/index.ts");
    const loaded = await loadServerCertificate(paths.dir, tls, nowMs());
    const { notAfter, daysLeft } = loaded;
    if (daysLeft < EXPIRY_WARN_DAYS) {
      log.warn({ port, notAfter, daysLeft }, "certificate of the TLS listener is about to expire");
    }
    return loaded;
  }

  /** Who may sign certificates of devices: read at start alone. @throws {CertificateError} */
  async #authoritiesOf(index: number): Promise<Pick<ListenerTls, "deviceAuthorities">> {
    const { paths, listeners } = this.#options;
    const { deviceAuthorities } = listeners[index]!;
    if (deviceAuthorities === undefined) return {};
    const { loadDeviceAuthorities } = await import("../certificates/index.ts");
    return { deviceAuthorities: await loadDeviceAuthorities(paths.dir, deviceAuthorities) };
  }

  /** Our own, when a listener shows it. */
  async #renew(): Promise<void> {
    const { paths, hostname, listeners, log, nowMs } = this.#options;
    if (!listeners.some(({ protocol, tls }) => isSecure(protocol) && !tls)) return;
    const { renewServerCertificate } = await import("../certificates/index.ts");
    try {
      const reason = await renewServerCertificate(paths.tls, { hostname, nowMs: nowMs() });
      if (reason) log.info({ reason }, "server certificate was renewed");
    } catch (error) {
      log.error({ ...toErrorRecord(error) }, "server certificate cannot be renewed");
    }
  }
}
