/**
 * When a group is sealed (J5, J14), as a pure decision. Waiting for company saves CPU and flash at low rates;
 * waiting when nobody will come stalls every producer that waits for its acknowledgement. So the linger is a
 * controller: it shrinks when the second half of it brought nothing, and probes upwards now and then.
 */

/** A linger ends when this much has gathered: waiting longer saves nothing. */
export const LINGER_ENTRIES = 32;
export const LINGER_BYTES = 16 * 1024;
/** Shorter than this, a timer costs more than it saves. */
const LINGER_MS_MIN = 0.5;
/** One group in so many tries a longer linger. */
const PROBE_EVERY_GROUPS = 64;
/** Empty second halves in a row before the linger is halved. */
const MISSES_MAX = 4;

export interface Linger {
  readonly ms: number;
  readonly misses: number;
  readonly groups: number;
}

export const initialLinger = (ms: number): Linger => ({ ms, misses: 0, groups: 0 });

/**
 * @param brought whether a step arrived in the second half of the linger that has just ended; `null` when
 *   the group was sealed without lingering to the end.
 */
export function nextLinger(linger: Linger, maxMs: number, brought: boolean | null): Linger {
  const groups = linger.groups + 1;
  if (maxMs === 0) return { ms: 0, misses: 0, groups };
  if (brought === true)
    return { ms: Math.min(maxMs, Math.max(LINGER_MS_MIN, linger.ms * 2)), misses: 0, groups };
  if (brought === false) {
    if (linger.misses + 1 < MISSES_MAX) return { ms: linger.ms, misses: linger.misses + 1, groups };
    const halved = linger.ms / 2;
    return { ms: halved < LINGER_MS_MIN ? 0 : halved, misses: 0, groups };
  }
  if (linger.ms === 0 && groups % PROBE_EVERY_GROUPS === 0)
    return { ms: 2 * LINGER_MS_MIN, misses: 1, groups };
  return { ...linger, groups };
}

/** How long to wait before the seal, ms; 0 = seal now. */
export function sealDelay(
  linger: Linger,
  gathered: { readonly entries: number; readonly bytes: number },
  sinceLastSealMs: number,
): number {
  if (gathered.entries >= LINGER_ENTRIES || gathered.bytes >= LINGER_BYTES) return 0;
  const wait = linger.ms - sinceLastSealMs;
  return wait > LINGER_MS_MIN / 2 ? wait : 0;
}
