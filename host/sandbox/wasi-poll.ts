/**
 * `poll_oneoff`: sleeping, in effect, since every descriptor of an in-memory file system is always ready. The
 * worker's thread sleeps with the guest, so a sleep is capped; a capped one reports its clock as elapsed.
 */
import type { GuestMemory } from "./guest-memory.ts";
import { ERRNO } from "./wasi-guards.ts";

const SLEEP_MS_MAX = 1_000;
const SUBSCRIPTIONS_MAX = 64;
const SUBSCRIPTION = { USERDATA: 0, TAG: 8, CLOCK: 16, TIMEOUT: 24, FLAGS: 40, SIZE: 48 } as const;
const EVENT = { USERDATA: 0, ERROR: 8, TYPE: 10, SIZE: 32 } as const;
const TAG = { CLOCK: 0, FD_WRITE: 2 } as const;
const CLOCK = { REALTIME: 0, MONOTONIC: 1 } as const;
const FLAG_ABSOLUTE = 1;
const NS_PER_MS = 1e6;

interface Ready {
  readonly userdata: bigint;
  readonly error: number;
  readonly tag: number;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export function pollOneoff(
  memory: GuestMemory,
  subscriptions: number,
  events: number,
  count: number,
  eventCount: number,
): number {
  if (count <= 0 || count > SUBSCRIPTIONS_MAX) return ERRNO.INVAL;
  if (!memory.holds(subscriptions, count * SUBSCRIPTION.SIZE)) return ERRNO.FAULT;
  if (!memory.holds(events, count * EVENT.SIZE)) return ERRNO.FAULT;
  const { u8 } = memory.block;
  const ready: Ready[] = [];
  let soonest = Number.POSITIVE_INFINITY;
  let sleeping: Ready[] = [];
  for (let i = 0; i < count; i++) {
    const at = (subscriptions >>> 0) + i * SUBSCRIPTION.SIZE;
    const userdata = u8.readBigUInt64LE(at + SUBSCRIPTION.USERDATA);
    const tag = u8[at + SUBSCRIPTION.TAG]!;
    if (tag > TAG.FD_WRITE) return ERRNO.INVAL;
    const waitMs = tag === TAG.CLOCK ? clockWaitMs(u8, at) : 0;
    if (waitMs === null) ready.push({ userdata, error: ERRNO.INVAL, tag });
    else if (tag !== TAG.CLOCK || waitMs <= 0) ready.push({ userdata, error: 0, tag });
    else {
      if (waitMs < soonest) sleeping = [];
      if (waitMs <= soonest) sleeping.push({ userdata, error: 0, tag });
      soonest = Math.min(soonest, waitMs);
    }
  }
  if (ready.length === 0) {
    Atomics.wait(sleeper, 0, 0, Math.min(soonest, SLEEP_MS_MAX));
    ready.push(...sleeping);
  }
  ready.forEach((event, i) => writeEvent(u8, (events >>> 0) + i * EVENT.SIZE, event));
  u8.writeUInt32LE(ready.length, eventCount >>> 0);
  return ERRNO.SUCCESS;
}

/** How long until the clock of a subscription fires, or null when there is no such clock. */
function clockWaitMs(u8: Buffer, at: number): number | null {
  const id = u8.readUInt32LE(at + SUBSCRIPTION.CLOCK);
  if (id !== CLOCK.REALTIME && id !== CLOCK.MONOTONIC) return null;
  const timeoutMs = Number(u8.readBigUInt64LE(at + SUBSCRIPTION.TIMEOUT)) / NS_PER_MS;
  if ((u8.readUInt16LE(at + SUBSCRIPTION.FLAGS) & FLAG_ABSOLUTE) === 0) return timeoutMs;
  const nowMs = id === CLOCK.REALTIME ? Date.now() : Number(process.hrtime.bigint()) / NS_PER_MS;
  return timeoutMs - nowMs;
}

function writeEvent(u8: Buffer, at: number, { userdata, error, tag }: Ready): void {
  u8.fill(0, at, at + EVENT.SIZE);
  u8.writeBigUInt64LE(userdata, at + EVENT.USERDATA);
  u8.writeUInt16LE(error, at + EVENT.ERROR);
  u8[at + EVENT.TYPE] = tag;
}
