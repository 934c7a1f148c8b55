/** Messages that the hub makes by itself: they come from its own module, with an id like any other. */
import { Block, frameLength, writeFrame, writeUid, type Sections } from "../abi/index.ts";
import type { Engine } from "./engine.ts";
import { HUB_MODULE, type Origin } from "./sources.ts";

export const hubOrigin = (gatewayId: string): Origin => ({
  deviceId: gatewayId,
  moduleId: HUB_MODULE,
  output: null,
});

/** A frame in a block of its own. `sourceId`: of `hubOrigin`. `enqueuedMs`: wall clock. */
export function ownFrame(
  engine: Engine,
  sourceId: number,
  message: { readonly properties: Sections; readonly body: Buffer; readonly enqueuedMs: number },
): Block {
  const { properties, body, enqueuedMs } = message;
  const block = Block.allocate(frameLength(properties, body.length));
  writeFrame(block, 0, sourceId, enqueuedMs, properties, body, 0, body.length);
  writeUid(block, 0, engine.uidEpoch, engine.uidBoot, ++engine.uidSequence);
  return block;
}
