/** The loads of every comparison. */
import type { LoadShape } from "./load.ts";

export const LOADS = {
  /** One device that pipelines. */
  "1x100": { publishers: 1, window: 100 },
  /** A busy gateway: bound by round trip and group size. */
  "20x100": { publishers: 20, window: 100 },
  /** Many devices that wait for each acknowledgement: one wake-up, one read, one write per message. */
  "200x1": { publishers: 200, window: 1 },
  /** An ordinary gateway: what counts is latency and processor time. At this rate V8 takes seconds to compile it. */
  paced: { publishers: 20, window: 100, rate: 1000, warmupMin: 8 },
} as const satisfies Record<string, LoadShape>;

export type LoadName = keyof typeof LOADS;

export const LOAD_NAMES = Object.keys(LOADS) as readonly LoadName[];
/** Those that run as fast as the windows allow, and so have a rate to compare. */
export const CLOSED_LOADS = ["1x100", "20x100", "200x1"] as const satisfies readonly LoadName[];
export type ClosedLoad = (typeof CLOSED_LOADS)[number];

export const isLoadName = (name: string): name is LoadName => Object.hasOwn(LOADS, name);

/** As many devices as any load needs. */
export const DEVICES = Math.max(...Object.values(LOADS).map((load) => load.publishers));
