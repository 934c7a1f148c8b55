/**
 * A module's key-value space as its worker sees it: the image (everything up to the last result that was
 * sent) and an overlay for the call that is running. A call reads its own writes; a trap drops them (A1, J2).
 *
 * Keys are strings of characters 0-255, one per byte, so that string order is byte order. The worker is the
 * only writer (J12); what a batch changed leaves as net effects, the last value per key.
 */
import { EFFECT, NO_CAUSE, STATUS } from "../../abi/index.ts";
import type { EffectSlab } from "./effect-slab.ts";

/** Counted per entry beside key and value, so that a million tiny keys do not cost what they do not pay. */
export const KV_ENTRY_OVERHEAD_BYTES = 64;
/** Dead keys that the scan index may hold before it is made anew. */
const DEAD_KEYS_MIN = 64;

const DELETED = null;

export class KvOverlay {
  readonly #bytesMax: number;
  readonly #image = new Map<string, Uint8Array>();
  #imageBytes = 0;
  readonly #overlay = new Map<string, Uint8Array | typeof DELETED>();
  #overlayDelta = 0;
  #writable = false;
  /** Changes of the image since the last `drain`. */
  readonly #net = new Map<string, Uint8Array | typeof DELETED>();
  /** Keys in `#net` that the committed state did not have: deleting one again is no effect at all. */
  readonly #fresh = new Set<string>();
  /** Sorted keys, a superset of the live ones; `#added` are still missing in it. */
  #index: string[] | null = null;
  #added: string[] = [];
  #dead = 0;

  constructor(
    image: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
    /** Keys, values and overhead. An image that is over it already can be read and shrunk. */
    bytesMax: number,
  ) {
    this.#bytesMax = bytesMax;
    for (const [key, value] of image) {
      const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
      this.#image.set(name, value);
      this.#imageBytes += cost(name, value);
    }
  }

  /** Writes are possible between `begin` and `commit` or `drop`, and nowhere else. */
  begin(): void {
    this.#writable = true;
  }

  get(key: string): Uint8Array | undefined {
    const changed = this.#overlay.get(key);
    if (changed === undefined) return this.#image.get(key);
    return changed ?? undefined;
  }

  /** Copies `value`. Returns 0, QUOTA, or INVALID outside a call. */
  put(key: string, value: Uint8Array): number {
    if (!this.#writable) return STATUS.INVALID;
    const before = this.get(key);
    const growth = cost(key, value) - (before === undefined ? 0 : cost(key, before));
    if (growth > 0 && this.#imageBytes + this.#overlayDelta + growth > this.#bytesMax) return STATUS.QUOTA;
    const own = this.#overlay.get(key);
    if (own instanceof Uint8Array && own.length === value.length) own.set(value);
    else this.#overlay.set(key, new Uint8Array(value));
    this.#overlayDelta += growth;
    if (before === undefined && this.#index !== null) this.#added.push(key);
    return 0;
  }

  /** Returns 0, ABSENT, or INVALID outside a call. */
  del(key: string): number {
    if (!this.#writable) return STATUS.INVALID;
    const before = this.get(key);
    if (before === undefined) return STATUS.ABSENT;
    this.#overlay.set(key, DELETED);
    this.#overlayDelta -= cost(key, before);
    this.#dead++;
    return 0;
  }

  /** The first key with `prefix` that comes after `after`, in byte order. */
  next(prefix: string, after: string): string | undefined {
    const index = this.#sorted();
    let i = after >= prefix ? firstAfter(index, after) : firstAfter(index, prefix, true);
    for (; i < index.length; i++) {
      const key = index[i]!;
      if (!key.startsWith(prefix)) return undefined;
      if (this.get(key) !== undefined) return key;
    }
    return undefined;
  }

  /** Bytes that the running call would add to the result. */
  get overlayBytes(): number {
    let bytes = 0;
    for (const [key, value] of this.#overlay) bytes += key.length + (value?.length ?? 0);
    return bytes;
  }

  drop(): void {
    this.#writable = false;
    if (this.#overlay.size === 0) return;
    this.#overlay.clear();
    this.#overlayDelta = 0;
    // Host code may have been cut short by the guest's exhausted stack: the index is not to be trusted.
    this.#index = null;
    this.#added = [];
    this.#dead = 0;
  }

  commit(): void {
    this.#writable = false;
    for (const [key, value] of this.#overlay) {
      const existed = this.#image.has(key);
      if (value === DELETED) {
        this.#image.delete(key);
        if (this.#fresh.delete(key)) this.#net.delete(key);
        else if (existed) this.#net.set(key, DELETED);
      } else {
        if (!existed && !this.#net.has(key)) this.#fresh.add(key);
        this.#image.set(key, value);
        this.#net.set(key, value);
      }
    }
    this.#imageBytes += this.#overlayDelta;
    this.#overlayDelta = 0;
    this.#overlay.clear();
  }

  /** Appends the net effects since the last `drain`, in the order of first change. */
  drain(slab: EffectSlab): void {
    for (const [key, value] of this.#net) {
      const kind = value === DELETED ? EFFECT.KV_DEL : EFFECT.KV_PUT;
      const valueLength = value?.length ?? 0;
      const at = slab.append(kind, 0, NO_CAUSE, 8 + key.length + valueLength);
      const { u8, u32 } = slab.block;
      u32[at >> 2] = key.length;
      u32[(at >> 2) + 1] = valueLength;
      u8.write(key, at + 8, "latin1");
      if (value !== DELETED) u8.set(value, at + 8 + key.length);
    }
    this.#net.clear();
    this.#fresh.clear();
  }

  #sorted(): string[] {
    const index = this.#index;
    if (index === null) {
      const keys = new Set(this.#image.keys());
      for (const [key, value] of this.#overlay) if (value !== DELETED) keys.add(key);
      this.#index = [...keys].sort();
    } else if (this.#added.length > 0 || this.#dead > Math.max(DEAD_KEYS_MIN, index.length >> 1)) {
      // Two sorted runs, which is the case that the engine's merge sort is linear in.
      const keys = new Set([...index, ...this.#added.sort()]);
      this.#index = [...keys].filter((key) => this.get(key) !== undefined).sort();
      this.#dead = 0;
    }
    this.#added = [];
    return this.#index!;
  }
}

const cost = (key: string, value: Uint8Array): number => key.length + value.length + KV_ENTRY_OVERHEAD_BYTES;

/** Index of the first element > `key` (or >= it). */
function firstAfter(sorted: readonly string[], key: string, orEqual = false): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const element = sorted[middle]!;
    if (element < key || (!orEqual && element === key)) low = middle + 1;
    else high = middle;
  }
  return low;
}
