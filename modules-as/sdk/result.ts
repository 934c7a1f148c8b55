/**
 * The result of a batch, written where the host will read it: a header, then effects, each under the record
 * that caused it. Nothing is allocated per effect; the space is reused by every batch.
 *
 * A result has at most `outMax` bytes. Between records the batch stops early while half of that is still
 * free. What one record alone writes beyond `outMax` is a trap and not a shorter result, because the record
 * has run: its writes to the key-value store are made, and to run it again would make them twice.
 */
import { EFFECT_HEADER, RESULT, RESULT_MAGIC } from "./abi";
import { builtForMinor } from "./features";
import { Place, Region, getU32, isSameObject, setU16, setU32, zero } from "./memory";

const INITIAL_BYTES: u32 = 65536;

const region = new Region();
let outMax: u32 = 0;
let used: u32 = 0;
let count: u32 = 0;
/** Index of the record that is being handled, or -1. */
let cause: i32 = -1;
/** Where the last effect begins, from the start of the result. */
let lastEffect: u32 = 0;
/** Counts effects and records over the life of the instance: a number names one effect, and only while it is the last. */
let serial: usize = 0;
let outputs: StaticArray<string> = [];
let lastOutput: u32 = 0;

export function declareOutputs(names: StaticArray<string>): void {
  outputs = names;
}

export function beginResult(bytesMax: u32): void {
  outMax = bytesMax;
  used = RESULT.SIZE;
  count = 0;
  reserve(0);
}

export function beginRecord(index: i32): void {
  cause = index;
  serial++;
}

export function hasRoomForAnother(): bool {
  return used <= outMax / 2;
}

/** Where the result lies, or 0 when there is nothing to say. */
export function endResult(consumed: u32, given: u32): Place {
  cause = -1;
  if (count == 0 && consumed == given) return 0;
  const place = region.place;
  zero(place, RESULT.SIZE);
  setU32(place + RESULT.MAGIC, RESULT_MAGIC);
  setU16(place + RESULT.HEADER, RESULT.SIZE);
  setU16(place + RESULT.MINOR, builtForMinor());
  setU32(place + RESULT.TOTAL, used);
  setU32(place + RESULT.COUNT, count);
  setU32(place + RESULT.CONSUMED, consumed);
  return place;
}

/** Begins an effect; its payload of `bytes` (a multiple of 8) is the caller's to write. Returns the header. */
export function beginEffect(kind: u32, port: u32, bytes: u32): Place {
  checkInHandler();
  const total = EFFECT_HEADER.SIZE + bytes;
  const place = reserve(total);
  lastEffect = used;
  used += total;
  count++;
  serial++;
  setU32(place + EFFECT_HEADER.TOTAL, total);
  setU32(place + EFFECT_HEADER.KIND, kind); // flags 0
  setU16(place + EFFECT_HEADER.HEADER, EFFECT_HEADER.SIZE);
  setU16(place + EFFECT_HEADER.PORT, port);
  setU32(place + EFFECT_HEADER.CAUSE, cause);
  zero(place + EFFECT_HEADER.CAUSE + 4, 8);
  return place;
}

/** Name of the last effect; another one after the next effect or record has begun. */
export function lastEffectSerial(): usize {
  return serial;
}

/** Header of the last effect. It may move when the effect is resized. */
export function lastEffectPlace(): Place {
  return region.place + lastEffect;
}

/** Makes the last effect longer, or shorter. */
export function resizeLastEffect(bytes: i32): void {
  if (bytes > 0) reserve(bytes);
  used += bytes;
  const total = lastEffectPlace() + EFFECT_HEADER.TOTAL;
  setU32(total, getU32(total) + bytes);
}

/** Number of an output. The compiler knows them all, since their names must be literals. */
export function portOf(output: string): u32 {
  checkInHandler();
  const names = outputs;
  // Literals are interned: the same text is nearly always the same object.
  if (lastOutput < <u32>names.length && isSameObject(names[lastOutput], output)) return lastOutput;
  for (let i = 0; i < names.length; i++) {
    if (names[i] == output) return (lastOutput = i);
  }
  throw new Error(`output "${output}" is not declared: its name must be a literal in the module's source`);
}

function checkInHandler(): void {
  if (cause < 0) throw new Error("outside of a handler: nothing can be sent while the module starts");
}

/** Makes sure that `bytes` fit behind what is used; returns where they begin. */
function reserve(bytes: u32): Place {
  const needed = used + bytes;
  if (needed > outMax) throw new Error(`result: more than ${outMax.toString()} bytes from one record`);
  if (!region.ensure(max(needed, INITIAL_BYTES), used)) throw new Error("result: module memory is used up");
  return region.place + used;
}
