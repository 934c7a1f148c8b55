/**
 * The workload API of a gateway: a socket for each enabled module identity of its own, there as long as the identity
 * is, and, if the operator wants it, a port on the loopback. What serves them is loaded with the first of either, so
 * a gateway without such modules does not carry it.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { SandpiperError, toErrorRecord } from "../../abi/index.ts";
import type { Identity } from "../../hub/index.ts";
import type { ListeningSocket } from "../http/socket.ts";
import type { Log } from "../log.ts";
import type { WorkloadBackend } from "./backend.ts";
import { socketFaultOf, variablesOf, type ModuleEnvironment } from "./environment.ts";
import { folderName, moduleFolder } from "./module-folder.ts";
import type { LoopbackListener, LoopbackSettings } from "./loopback.ts";

/** Modules with a socket; each takes two descriptors. */
const SOCKETS_MAX = 256;

export interface WorkloadOptions {
  /** Of the modules' folders; private (0700) to the gateway's user, as what it lies in is. */
  readonly root: string;
  readonly backend: WorkloadBackend;
  /** Absent = no port. */
  readonly http?: LoopbackSettings | undefined;
  readonly log: Log;
}

interface Open {
  readonly generationId: string;
  readonly socket: ListeningSocket;
}

export class Workload {
  readonly #options: WorkloadOptions;
  /** By module. */
  readonly #open = new Map<string, Open>();
  #loopback: LoopbackListener | null = null;
  /** One review at a time; at most one more waits. */
  #review: Promise<void> = Promise.resolve();
  #isReviewDue = false;
  #isClosed = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** @throws {WorkloadError} SP_WORKLOAD_PORT */
  async start(): Promise<void> {
    const { http, backend, log } = this.#options;
    if (http !== undefined) {
      const { serveLoopback } = await import("./loopback.ts");
      this.#loopback = await serveLoopback(http, { backend, log });
    }
    this.changed();
    await this.#review;
  }

  /** Identities of the gateway's own modules may be others now. Never throws. */
  changed(): void {
    if (this.#isReviewDue) return;
    this.#isReviewDue = true;
    this.#review = this.#review.then(async () => {
      this.#isReviewDue = false;
      if (!this.#isClosed) await this.#reviewSockets().catch((error: unknown) => this.#complain(error));
    });
  }

  /** With a socket that is there already. @throws SP_IDENTITY_UNKNOWN */
  async environment(moduleId: string): Promise<ModuleEnvironment> {
    await this.#review;
    const { root, backend, http } = this.#options;
    const identity = await backend.identity(moduleId);
    if (identity === null) {
      throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${moduleId}" does not exist`, {
        hint: "see: sandpiper module-identity list; a module of a deployment needs no environment",
      });
    }
    const { folder, socket } = moduleFolder(root, identity);
    const isOnLoopback = this.#loopback !== null && Object.hasOwn(http?.users ?? {}, moduleId);
    const workloadUri = isOnLoopback ? `http://127.0.0.1:${this.#loopback!.port}` : `unix://${socket}`;
    return {
      variables: variablesOf(identity, { hostname: backend.hostname, workloadUri }),
      socketFolder: folder,
      socketName: basename(socket),
      socketFault: isOnLoopback ? null : socketFaultOf(socket),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#review;
    await Promise.all([...this.#open.keys()].map((moduleId) => this.#close(moduleId)));
    await this.#loopback?.close();
  }

  async #reviewSockets(): Promise<void> {
    const { backend, root } = this.#options;
    const own = (await backend.identities()).filter(
      ({ deviceId, moduleId }) => deviceId === backend.gatewayId && moduleId !== undefined,
    );
    const enabled = new Map(own.filter((one) => one.enabled).map((one) => [one.moduleId!, one]));
    for (const [moduleId, { generationId }] of this.#open) {
      if (enabled.get(moduleId)?.generationId !== generationId) await this.#close(moduleId);
    }
    await removeOthers(root, own);
    for (const [moduleId, identity] of enabled) {
      if (!this.#open.has(moduleId)) {
        await this.#serve(moduleId, identity).catch((error: unknown) => this.#complain(error));
      }
    }
  }

  async #serve(moduleId: string, identity: Identity): Promise<void> {
    const { root, backend, log } = this.#options;
    if (this.#open.size >= SOCKETS_MAX) {
      return log.error({ moduleId, socketsMax: SOCKETS_MAX }, "workload API: too many modules for one more");
    }
    const { serveModule } = await import("./server.ts");
    const { folder, socket } = moduleFolder(root, identity);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { generationId } = identity;
    const caller = { modules: new Set([moduleId]), generationId };
    this.#open.set(moduleId, { generationId, socket: await serveModule(socket, caller, { backend, log }) });
  }

  async #close(moduleId: string): Promise<void> {
    const open = this.#open.get(moduleId);
    this.#open.delete(moduleId);
    await open?.socket.close();
  }

  #complain(error: unknown): void {
    this.#options.log.error(
      { ...toErrorRecord(error) },
      "workload API: sockets of modules are not as they should be",
    );
  }
}

/** Folders of modules that are no more. Of one that is disabled it stays: a container may have it mounted. */
async function removeOthers(root: string, own: readonly Identity[]): Promise<void> {
  const known = new Set(own.map(folderName));
  const names = await readdir(root).catch(() => []);
  for (const name of names) {
    if (!known.has(name)) await rm(join(root, name), { recursive: true, force: true });
  }
}
