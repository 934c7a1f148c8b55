/** One lane of an endpoint as an operator sees it. */
import { ENTRY, frameEnqueued } from "../../abi/index.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { QueueStatus } from "../face.ts";
import type { Lane } from "../journal/lane.ts";
import type { Losses } from "./lane-losses.ts";

/** How far a lane had come at some time. */
export interface LanePlace {
  readonly tail: number;
  readonly cursor: number;
}

/** Of every lane that is made. */
export const START: LanePlace = { tail: 0, cursor: 0 };

export interface LaneView {
  readonly wallNow: number;
  /** Where the lane was, `seconds` ago. */
  readonly before: LanePlace;
  readonly seconds: number;
  readonly size: { readonly length: number; readonly bytes: number };
  readonly losses: Losses;
}

export function queueStatus(endpoint: Endpoint, lane: Lane, view: LaneView): QueueStatus {
  const { wallNow, before, seconds, size, losses } = view;
  return {
    endpoint: endpoint.name,
    kind: endpoint.kind,
    priority: lane.priority,
    ...size,
    bytesMax: endpoint.bytesMax,
    oldestAgeMs: oldestAgeMs(lane, wallNow),
    inFlight: endpoint.isLog ? 0 : lane.reader.offset - lane.cursor.offset,
    inPerSecond: (lane.tail - before.tail) / seconds,
    outPerSecond: (lane.cursor.offset - before.cursor) / seconds,
    overflow: endpoint.overflow,
    ...losses,
    consumer: endpoint.isLog ? "log" : (endpoint.consumer?.kind ?? null),
  };
}

function oldestAgeMs(lane: Lane, wallNow: number): number | null {
  if (lane.length === 0) return null;
  lane.cursor.settle();
  const block = lane.peek(lane.cursor.slab);
  return Math.max(0, wallNow - frameEnqueued(block, lane.cursor.at + ENTRY.SIZE));
}
