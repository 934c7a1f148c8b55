/**
 * Stands before the store: a store that cannot be read is set aside, and the gateway goes on with an empty one,
 * with identities and routes from the copy outside. Everything else that keeps a store from opening (a disk that
 * fails or is full, another format, permissions) changes nothing on the disk (J18).
 */
import { mkdir } from "node:fs/promises";
import { toErrorRecord } from "../../abi/index.ts";
import type { HubRestore } from "../../hub/index.ts";
import type { IdentityBackup } from "./identity-backup.ts";
import type { Log } from "../log.ts";
import { listSetAside, setAside, type SetAside } from "./set-aside.ts";
import {
  currentBootId,
  deathsSoFar,
  isInDoubt,
  NEW_STORE,
  readStoreState,
  reasonToSetAside,
  writeStoreState,
  type StoreState,
} from "./store-state.ts";

/** A process that had the store open for longer did not die of opening it, ms. */
const STEADY_AFTER_MS = 60_000;

export interface StoreGuardOptions {
  readonly storeDir: string;
  readonly backup: IdentityBackup;
  readonly log: Log;
}

export interface StoreNews {
  readonly setAside: readonly SetAside[];
  readonly restored: StoreState["restored"];
}

export class StoreGuard {
  readonly #options: StoreGuardOptions;
  readonly #bootId = currentBootId();
  #state: StoreState = NEW_STORE;
  #setAside: readonly SetAside[] = [];
  #steady: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StoreGuardOptions) {
    this.#options = options;
  }

  /** Which stores lie aside, and what came back from outside when the one in use was begun. */
  get news(): StoreNews {
    return { setAside: this.#setAside, restored: this.#state.restored };
  }

  /** What the store has to begin with, if it has nothing. To be called before each opening. */
  async beforeOpening(): Promise<HubRestore | null> {
    const { storeDir } = this.#options;
    // What cannot be made or written is said by the store itself, better, when it is opened.
    await mkdir(storeDir, { recursive: true, mode: 0o700 }).catch(() => {});
    this.#setAside = await listSetAside(storeDir);
    const last = await readStoreState(storeDir);
    const deaths = deathsSoFar(last, this.#bootId);
    const reason = await this.#findReason(last, deaths).catch((error: unknown) => {
      this.#options.log.warn({ ...toErrorRecord(error) }, "store cannot be looked at");
      return null;
    });
    if (reason !== null && (await this.#moveAside(reason))) return this.beforeOpening();
    const kept = last.hasData ? null : await this.#options.backup.read();
    const restored =
      kept === null ? last.restored : { identities: kept.identities.length, routes: kept.routes !== null };
    await this.#note({ ...last, phase: "opening", deaths, bootId: this.#bootId, restored });
    if (kept !== null)
      this.#options.log.warn({ ...restored }, "empty store begins with what was kept outside it");
    return kept;
  }

  async #findReason(last: StoreState, deaths: number): Promise<string | null> {
    const { storeDir, log } = this.#options;
    const { checkStore, isStoreDoubtful, isStoreEmpty } = await import("../../hub/index.ts");
    if (isStoreEmpty(storeDir)) return last.hasData ? "its file is empty, and has held data" : null;
    if (!isInDoubt(deaths) && !isStoreDoubtful(storeDir)) return null;
    log.warn({ deaths, phase: last.phase }, "store is examined before it is opened");
    return reasonToSetAside(last.phase, deaths, await checkStore(storeDir));
  }

  /** It is open, loaded, and was committed to. */
  async opened(): Promise<void> {
    await this.#note({ ...this.#state, phase: "running", hasData: true });
    clearTimeout(this.#steady);
    this.#steady = setTimeout(() => {
      void this.#note({ ...this.#state, phase: "steady", deaths: 0 });
    }, STEADY_AFTER_MS).unref();
  }

  /** Sets the store aside if the failure says that it is damaged. The hub that had it must be gone. */
  async failed(error: unknown): Promise<boolean> {
    clearTimeout(this.#steady);
    const reason = corruptionIn(error);
    return reason !== null && this.#moveAside(reason);
  }

  /** The store was closed in order, or the gateway gives up before it was opened. */
  async closed(): Promise<void> {
    clearTimeout(this.#steady);
    await this.#note({ ...this.#state, phase: "closed", deaths: 0 });
  }

  async #moveAside(reason: string): Promise<boolean> {
    const { storeDir, log } = this.#options;
    try {
      const { path, bytes } = await setAside(storeDir, reason, Date.now());
      const fields = { code: "SP_STORE_SET_ASIDE", reason, path, bytes };
      log.error(fields, "STORE IS DAMAGED and was set aside; the gateway goes on with an empty one");
      return true;
    } catch (error) {
      log.error({ reason, ...toErrorRecord(error) }, "store is damaged and cannot be set aside");
      return false;
    }
  }

  /**
   * One after the other; what is written last is what holds. A disk without room must not keep a gateway from
   * starting, so a note that cannot be made is not: then deaths are not counted.
   */
  #note(state: StoreState): Promise<void> {
    const { storeDir, log } = this.#options;
    this.#state = state;
    this.#writing = this.#writing.then(() =>
      writeStoreState(storeDir, state).catch((error: unknown) => {
        log.warn({ ...toErrorRecord(error) }, "state of the store cannot be noted");
      }),
    );
    return this.#writing;
  }
}

/** What a failure says of damage, itself or what caused it; null when it says nothing. */
export function corruptionIn(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ((at as { readonly code?: unknown }).code === "SP_STORE_CORRUPT")
      return at.message.replace(/^store: /, "");
  }
  return null;
}
