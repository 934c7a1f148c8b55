/**
 * Entry of a hub's thread whose wall clock a test may set ahead or back. Everything else about it is the hub's own
 * entry, which is loaded when the clock is in place.
 */
import { BroadcastChannel } from "node:worker_threads";
import { WALL_CLOCK } from "./wall-clock.ts";

const systemNow = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => systemNow() + aheadMs;

const channel = new BroadcastChannel(WALL_CLOCK) as BroadcastChannel & { unref(): void };
channel.onmessage = (message: unknown) => {
  aheadMs = (message as { readonly data: number }).data;
};
channel.unref();

await import("../../../hub/thread/thread.ts");
