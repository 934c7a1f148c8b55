/** Endpoints as an operator sees them: one row per lane. */
import { ENTRY, frameEnqueued } from "../abi/index.ts";
import { DEAD_LETTER_PREFIX, type Endpoint } from "./endpoints/endpoint.ts";
import type { QueueStatus } from "./face.ts";
import type { Lane } from "./journal/lane.ts";

export function queueStatus(endpoint: Endpoint, wallNow: number): QueueStatus[] {
  if (endpoint.name.startsWith(DEAD_LETTER_PREFIX)) return [];
  return endpoint.lanes.map((lane) => ({
    endpoint: endpoint.name,
    priority: lane.priority,
    length: lane.length,
    bytes: lane.bytes,
    oldestAgeMs: oldestAgeMs(lane, wallNow),
    inFlight: !endpoint.isLog ? lane.reader.offset - lane.cursor.offset : 0,
    consumer: endpoint.isLog ? "log" : (endpoint.consumer?.kind ?? null),
  }));
}

function oldestAgeMs(lane: Lane, wallNow: number): number | null {
  if (lane.length === 0) return null;
  lane.cursor.settle();
  const block = lane.peek(lane.cursor.slab);
  return Math.max(0, wallNow - frameEnqueued(block, lane.cursor.at + ENTRY.SIZE));
}
