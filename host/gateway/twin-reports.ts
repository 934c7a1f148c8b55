/**
 * What `$edgeAgent` and `$edgeHub` report of themselves (contract §2.1, §2.2), kept in their twins, where services read
 * it and routes take changes of it. Only what has changed is written, as a patch, some time after it did: each is a
 * write to flash, and a module that fails again and again changes its status all the time.
 */
import { toErrorRecord } from "../../abi/index.ts";
import { reportedPatch, type Hub } from "../../hub/index.ts";
import type { Log } from "../log.ts";
import { within, type Clock } from "../supervisor/clock.ts";

/** Changes come in bursts, ms. */
const QUIET_MS = 1_000;
/** Between one write and the next, at least, ms. */
const INTERVAL_MS = 30_000;
/** How long the last write may take, when everything stops, ms. */
const LAST_MS_MAX = 2_000;
/** A twin holds 4 KB of text in one value; nobody reads so much there. */
const TEXT_CHARACTERS_MAX = 1_000;

type Reported = Readonly<Record<string, unknown>>;

export interface TwinReportsOptions {
  readonly hub: Pick<Hub, "twin" | "changeTwin">;
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Reported properties by system module, as they are now. */
  readonly read: () => Readonly<Record<string, Reported>>;
}

export class TwinReports {
  readonly #options: TwinReportsOptions;
  #cancel: (() => void) | null = null;
  #writtenAtMs = -Infinity;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** What was logged last, by module: the same again is no news. */
  readonly #refusals = new Map<string, string>();

  constructor(options: TwinReportsOptions) {
    this.#options = options;
  }

  /** Something that is reported may be another than before. */
  changed(): void {
    if (this.#cancel !== null || this.#isClosed) return;
    const { clock } = this.#options;
    const delayMs = Math.max(QUIET_MS, this.#writtenAtMs + INTERVAL_MS - clock.monotonicMs());
    this.#cancel = clock.after(delayMs, () => {
      this.#cancel = null;
      this.#write();
    });
  }

  /** Writes what there is to say at the end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = null;
    this.#write();
    await within(this.#options.clock, LAST_MS_MAX, this.#writing);
  }

  #write(): void {
    this.#writtenAtMs = this.#options.clock.monotonicMs();
    this.#writing = this.#writing.then(async () => {
      for (const [module, reported] of Object.entries(this.#options.read())) {
        await this.#report(module, reported);
      }
    });
  }

  /** What is in the twin is read each time: whoever may manage the gateway may have patched it. */
  async #report(module: string, reported: Reported): Promise<void> {
    const { hub, gatewayId, log } = this.#options;
    try {
      const { properties } = await hub.twin(gatewayId, module);
      const patch = reportedPatch(properties.reported, clipped(reported));
      if (patch !== null) await hub.changeTwin(gatewayId, module, { section: "reported", patch });
      this.#refusals.delete(module);
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      // A hub that is away, or a queue that is full, may be so no longer later.
      if (code !== "SP_TWIN_INVALID") this.changed();
      if (this.#refusals.get(module) === message || this.#isClosed) return;
      this.#refusals.set(module, message);
      log.warn({ module, code, message }, "what it reports is not in its twin");
    }
  }
}

/** The same, with long texts cut. */
function clipped(value: Reported): Reported {
  return JSON.parse(JSON.stringify(value), (_key, inner: unknown) =>
    typeof inner === "string" && inner.length > TEXT_CHARACTERS_MAX
      ? `${inner.slice(0, TEXT_CHARACTERS_MAX)}...`
      : inner,
  ) as Reported;
}

/**
 * The reported properties of `$edgeHub`. Routes are applied with the deployment that they are part of: how that went is
 * the agent's to say. Who is connected is not in it: that changes too often for a twin on flash.
 */
export const hubReported = (agent: Reported): Reported => {
  const { code, description } = agent["lastDesiredStatus"] as { code: number; description: string };
  return {
    schemaVersion: "1.0",
    version: agent["version"],
    lastDesiredVersion: agent["lastDesiredVersion"],
    lastDesiredStatus: { code: code === 200 ? 200 : 400, description },
  };
};
