/** A server the bench can put under load: the gateway itself, or what it is compared with. */
import type { LoadTarget } from "./load.ts";

export interface Peer {
  readonly name: string;
  /** Why it cannot run on this machine; null when it can. */
  readonly unavailable: string | null;
  /**
   * `folder` exists, is empty and the peer's own; whoever gave it removes it. `env` is added to the environment of
   * its process.
   */
  start(folder: string, env?: NodeJS.ProcessEnv): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly target: LoadTarget & { readonly pid: number };
  stop(): Promise<void>;
}
