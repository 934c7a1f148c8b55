/**
 * What a gateway notes about its store, in the store's own folder: whether it has held data, and how the
 * processes that had it open came to their ends. Damaged pages may end a process before it can say anything;
 * from the notes the next one knows.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoreVerdict } from "../../hub/index.ts";
import { writeDurable } from "../artifacts/durable-file.ts";

const FILE = "state.json";
/** So many processes in a row that died young raise the question whether the store is why. */
export const DEATHS_UNTIL_DOUBT = 3;

/** `opening`, `running`: it is being opened, or was not long ago. `steady`: it has been open for a while. */
export type StorePhase = "opening" | "running" | "steady" | "closed";

export interface StoreState {
  readonly phase: StorePhase;
  /** Processes in a row that died while they opened it, or soon after. */
  readonly deaths: number;
  /** Of the operating system: a death in another boot may have been the power's. */
  readonly bootId: string;
  /** It was opened once and committed to: without data from here on, it has lost some. */
  readonly hasData: boolean;
  /** What came back from outside when it was begun. */
  readonly restored: { readonly identities: number; readonly routes: boolean } | null;
}

export const NEW_STORE: StoreState = {
  phase: "closed",
  deaths: 0,
  bootId: "",
  hasData: false,
  restored: null,
};

/** Deaths in a row, counting the one that `state` tells of, if it does. */
export function deathsSoFar(state: StoreState, bootId: string): number {
  const isYoung = state.phase === "opening" || state.phase === "running";
  return isYoung && state.bootId === bootId ? state.deaths + 1 : 0;
}

/** Whether a store is examined before it is opened. Not at every death: a sound one would be read whole each time. */
export const isInDoubt = (deaths: number): boolean => deaths > 0 && deaths % DEATHS_UNTIL_DOUBT === 0;

const DEADLY: ReadonlySet<string> = new Set(["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"]);

/**
 * Why a store that was examined has to be set aside, or null. One that can be read, but ended every process that
 * opened it to write, is damaged where only writing looks. What the disk does not give back is no damage (J18).
 */
export function reasonToSetAside(phase: StorePhase, deaths: number, verdict: StoreVerdict): string | null {
  switch (verdict.state) {
    case "damaged":
      return verdict.what;
    case "died":
      return DEADLY.has(verdict.signal) ? `reading it ends a process with ${verdict.signal}` : null;
    case "sound":
    case "unknown":
    case "empty": {
      const isWhileOpening = phase === "opening" && deaths >= DEATHS_UNTIL_DOUBT;
      return isWhileOpening ? `${deaths} processes in a row died while they opened it` : null;
    }
    case "unreadable":
      return null;
  }
}

/** A file that is not there, or damaged, says nothing. */
export async function readStoreState(storeDir: string): Promise<StoreState> {
  try {
    const read = JSON.parse(await readFile(join(storeDir, FILE), "utf8")) as StoreState;
    return { ...NEW_STORE, ...read };
  } catch {
    return NEW_STORE;
  }
}

export const writeStoreState = (storeDir: string, state: StoreState): Promise<void> =>
  writeDurable(join(storeDir, FILE), JSON.stringify(state));

/** Changes with every boot. Where it cannot be had, no death is blamed on the store by its number. */
export function currentBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return `unknown-${process.pid}-${Date.now()}`;
  }
}
