/**
 * The only file that touches raw memory. A `Place` is an address in linear memory outside the managed heap:
 * the mailbox, the result, scratch space. The garbage collector never moves or frees what a place points at,
 * so the host may hold on to it between calls.
 */
export type Place = usize;

const PAGE_BYTES: u32 = 65536;

// The allocator takes all memory that exists at its first use. That must come before `Region` grows memory
// behind its back.
heap.free(heap.alloc(1));

/** A piece of memory that grows and is never given back. */
export class Region {
  place: Place = 0;
  private capacity: u32 = 0;

  /** Makes room for `bytes`, keeping the first `used`. False when the module's memory is at its maximum. */
  ensure(bytes: u32, used: u32): bool {
    if (bytes <= this.capacity) return true;
    const end = (<usize>memory.size()) << 16;
    const isLast = this.capacity != 0 && this.place + this.capacity == end;
    const wanted = max(bytes, this.capacity * 2);
    const pages = (((isLast ? wanted - this.capacity : wanted) + PAGE_BYTES - 1) / PAGE_BYTES) as i32;
    if (memory.grow(pages) < 0) return false;
    if (isLast) {
      this.capacity += pages * PAGE_BYTES;
      return true;
    }
    if (used > 0) memory.copy(end, this.place, used);
    this.place = end;
    this.capacity = pages * PAGE_BYTES;
    return true;
  }
}

const scratchRegion = new Region();

/** Space for one call of a host function. The next `scratch` is the same space. */
export function scratch(bytes: u32): Place {
  if (!scratchRegion.ensure(bytes, 0)) throw new Error("module memory is used up");
  return scratchRegion.place;
}

export function getU8(place: Place): u32 {
  return load<u8>(place);
}
export function getU16(place: Place): u32 {
  return load<u16>(place);
}
export function getU32(place: Place): u32 {
  return load<u32>(place);
}
export function getU64(place: Place): u64 {
  return load<u64>(place);
}
export function getI64(place: Place): i64 {
  return load<i64>(place);
}
export function getF64(place: Place): f64 {
  return load<f64>(place);
}
export function setU8(place: Place, value: u32): void {
  store<u8>(place, value as u8);
}
export function setU16(place: Place, value: u32): void {
  store<u16>(place, value as u16);
}
export function setU32(place: Place, value: u32): void {
  store<u32>(place, value);
}
export function setI64(place: Place, value: i64): void {
  store<i64>(place, value);
}
export function setF64(place: Place, value: f64): void {
  store<f64>(place, value);
}

/** The ranges may overlap. */
export function move(to: Place, from: Place, bytes: u32): void {
  memory.copy(to, from, bytes);
}
export function zero(place: Place, bytes: u32): void {
  memory.fill(place, 0, bytes);
}

export function align4(bytes: u32): u32 {
  return (bytes + 3) & ~3;
}
export function align8(bytes: u32): u32 {
  return (bytes + 7) & ~7;
}

// Text

export function utf8Length(text: string): u32 {
  return String.UTF8.byteLength(text) as u32;
}

/** Writes `text` as utf-8, without a terminator; returns the number of bytes. */
export function putText(place: Place, text: string): u32 {
  return String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, place) as u32;
}

export function takeText(place: Place, bytes: u32): string {
  return String.UTF8.decodeUnsafe(place, bytes);
}

/** Whether the bytes are `text` in utf-8, without decoding them when both are ASCII. */
export function isText(place: Place, bytes: u32, text: string): bool {
  const length = text.length;
  if (bytes < <u32>length) return false;
  for (let i = 0; i < length; i++) {
    const unit = load<u16>(changetype<usize>(text) + ((<usize>i) << 1));
    if (unit >= 0x80) return takeText(place, bytes) == text;
    if (load<u8>(place + i) != unit) return false;
  }
  return bytes == <u32>length;
}

export function isSameObject(a: string, b: string): bool {
  return changetype<usize>(a) == changetype<usize>(b);
}

// Bytes

export function putBytes(place: Place, bytes: Uint8Array): void {
  memory.copy(place, bytes.dataStart, bytes.byteLength);
}

/** A managed copy. */
export function takeBytes(place: Place, bytes: u32): Uint8Array {
  const copy = new Uint8Array(bytes as i32);
  memory.copy(copy.dataStart, place, bytes);
  return copy;
}

/** Where the bytes of a managed array lie: good for one host call, or until the next allocation at most. */
export function placeOf(bytes: Uint8Array): Place {
  return bytes.dataStart;
}

/** A managed copy, with `padding` bytes 0 behind it. */
export function takeArray(place: Place, bytes: u32, padding: u32): StaticArray<u8> {
  const copy = new StaticArray<u8>((bytes + padding) as i32);
  memory.copy(changetype<usize>(copy), place, bytes);
  return copy;
}

/** Where a managed array lies. It never moves, and is there for as long as somebody holds the array. */
export function placeOfArray(array: StaticArray<u8>): Place {
  return changetype<usize>(array);
}
