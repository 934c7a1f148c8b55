/**
 * The module's key-value store. What a handler writes is seen by later reads of the same batch, and is kept
 * exactly when the messages of the batch are settled: a message never counts twice, whatever fails between.
 * Globals are a cache at best: another instance may take the next batch.
 *
 * Keys are text of at most 512 bytes in utf-8, ordered by their bytes; values have at most 64 KB. Breaking
 * those, or the quota of the module, is a trap: the message at fault goes to the dead letters.
 */
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX, STATUS } from "./abi";
import * as host from "./host";
import {
  getF64,
  getI64 as loadI64,
  placeOf,
  putText,
  scratch,
  setF64,
  setI64,
  takeBytes,
  takeText,
  utf8Length,
} from "./memory";

/** Where values lie in scratch space, behind the key. */
const VALUE: u32 = KV_KEY_BYTES_MAX;
const VALUE_BYTES_GUESS: u32 = 4096;
const NUMBER_BYTES: u32 = 8;

export namespace kv {
  export function has(key: string): bool {
    const length = putKey(key, 0);
    return host.kv_get(scratch(VALUE), length, 0, 0) != STATUS.ABSENT;
  }

  /** Whether there was something to remove. */
  export function remove(key: string): bool {
    const length = putKey(key, 0);
    return host.kv_del(scratch(VALUE), length) != STATUS.ABSENT;
  }

  export function getBytes(key: string): Uint8Array | null {
    const length = read(key, VALUE_BYTES_GUESS);
    return length < 0 ? null : takeBytes(scratch(VALUE) + VALUE, length);
  }

  /**
   * Copies a value into `bytes`, and allocates nothing. Returns the value's length, or -1 when there is none; when
   * it is longer than `bytes`, nothing is copied.
   */
  export function readBytes(key: string, bytes: Uint8Array): i32 {
    const length = putKey(key, 0);
    return host.kv_get(scratch(VALUE), length, placeOf(bytes), bytes.byteLength);
  }

  export function putBytes(key: string, value: Uint8Array): void {
    check(key, value.byteLength);
    const length = putKey(key, 0);
    done(key, host.kv_put(scratch(VALUE), length, placeOf(value), value.byteLength));
  }

  export function getString(key: string): string | null {
    const length = read(key, VALUE_BYTES_GUESS);
    return length < 0 ? null : takeText(scratch(VALUE) + VALUE, length);
  }

  export function putString(key: string, value: string): void {
    const bytes = utf8Length(value);
    check(key, bytes);
    const length = putKey(key, bytes);
    putText(scratch(VALUE) + VALUE, value);
    done(key, host.kv_put(scratch(VALUE), length, scratch(VALUE) + VALUE, bytes));
  }

  export function getNumber(key: string, fallback: f64 = NaN): f64 {
    return readNumber(key) ? getF64(scratch(VALUE) + VALUE) : fallback;
  }

  export function putNumber(key: string, value: f64): void {
    const length = putKey(key, NUMBER_BYTES);
    setF64(scratch(VALUE) + VALUE, value);
    done(key, host.kv_put(scratch(VALUE), length, scratch(VALUE) + VALUE, NUMBER_BYTES));
  }

  export function getI64(key: string, fallback: i64 = 0): i64 {
    return readNumber(key) ? loadI64(scratch(VALUE) + VALUE) : fallback;
  }

  export function putI64(key: string, value: i64): void {
    const length = putKey(key, NUMBER_BYTES);
    setI64(scratch(VALUE) + VALUE, value);
    done(key, host.kv_put(scratch(VALUE), length, scratch(VALUE) + VALUE, NUMBER_BYTES));
  }

  /** The first key behind `after` that begins with `prefix`, in the order of their bytes; null at the end. */
  export function next(prefix: string, after: string): string | null {
    const place = scratch(3 * KV_KEY_BYTES_MAX);
    const isTooLong = utf8Length(prefix) > KV_KEY_BYTES_MAX || utf8Length(after) > KV_KEY_BYTES_MAX;
    if (isTooLong) throw new Error("kv: prefix or key longer than 512 bytes");
    const prefixLength = putText(place, prefix);
    const afterLength = putText(place + KV_KEY_BYTES_MAX, after);
    const found = place + 2 * KV_KEY_BYTES_MAX;
    const length = host.kv_scan(
      place,
      prefixLength,
      place + KV_KEY_BYTES_MAX,
      afterLength,
      found,
      KV_KEY_BYTES_MAX,
    );
    return length < 0 ? null : takeText(found, length);
  }
}

/** Puts the key at the front of scratch space, with room for a value behind it. */
function putKey(key: string, valueBytes: u32): u32 {
  if (key.length == 0) throw new Error("kv: a key of no length");
  if (utf8Length(key) > KV_KEY_BYTES_MAX) {
    throw new Error(`kv: key "${key.substring(0, 40)}..." is longer than 512 bytes`);
  }
  return putText(scratch(VALUE + valueBytes), key);
}

/** Reads a value behind the key; its length, or -1. */
function read(key: string, capacity: u32): i32 {
  const keyLength = putKey(key, capacity);
  const place = scratch(VALUE);
  const length = host.kv_get(place, keyLength, place + VALUE, capacity);
  return length > <i32>capacity ? read(key, length) : length;
}

function readNumber(key: string): bool {
  const length = read(key, NUMBER_BYTES);
  if (length < 0) return false;
  if (length != NUMBER_BYTES)
    throw new Error(`kv: value of "${key}" is not a number (${length.toString()} bytes)`);
  return true;
}

function check(key: string, valueBytes: u32): void {
  if (valueBytes > KV_VALUE_BYTES_MAX) {
    throw new Error(`kv: value of "${key}" has ${valueBytes.toString()} bytes, more than 65536`);
  }
}

function done(key: string, status: i32): void {
  if (status == STATUS.QUOTA) throw new Error(`kv: no room for "${key}": the quota of the module is used up`);
  if (status < 0) throw new Error(`kv: value of "${key}" was refused (${status.toString()})`);
}
