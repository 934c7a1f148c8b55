import {
  Block,
  bodyLength,
  bodyStart,
  encodeProperties,
  ENTRY,
  entryTotal,
  frameLength,
  sections,
  writeFrame,
} from "../../abi/index.ts";
import type { Lane } from "../../hub/journal/lane.ts";
import { Position } from "../../hub/journal/slab.ts";

/** A block that holds one frame at byte 0. */
export function frameOf(
  body: string | Uint8Array,
  properties: Record<string, string> = {},
  sourceId = 1,
): { readonly block: Block; readonly length: number } {
  const bytes = Buffer.from(body);
  const app = encodeProperties(Object.entries(properties).map(([name, value]) => ({ name, value })));
  const s = sections(new Uint8Array(0), app);
  const block = Block.allocate(frameLength(s, bytes.length));
  return { block, length: writeFrame(block, 0, sourceId, 0, s, bytes, 0, bytes.length) };
}

export function bodyAt(block: Block, entryAt: number): string {
  const frame = entryAt + ENTRY.SIZE;
  const from = bodyStart(block, frame);
  return block.u8.toString("utf8", from, from + bodyLength(block, frame));
}

/** Bodies of the entries between a lane's cursor and its tail (or `until`). */
export function bodiesOf(lane: Lane, until = lane.tail): string[] {
  const bodies: string[] = [];
  const at = new Position(lane.cursor.offset, lane.cursor.slab, lane.cursor.at);
  while (at.offset < until) {
    const block = lane.makeResident(at);
    bodies.push(bodyAt(block, at.at));
    at.at += entryTotal(block, at.at);
    at.offset++;
  }
  return bodies;
}
