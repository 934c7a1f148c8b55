/**
 * The slow way to read a number: all its digits as one whole number, divided exactly. For numbers of more than
 * 19 digits, and for exponents of far beyond what sensors measure.
 */
import { Place, getU8 } from "./memory";
import { readExponent, rounded } from "./number";

/** No f64, and no point half-way between two, has more significant digits; what follows only says "more". */
const DIGITS_MAX: i32 = 800;
/** Limbs of 32 bits: 10^1130 and 64 bits to spare, the largest divisor there can be. */
const LIMBS: i32 = 128;

/** Magnitude of the number in `[from, to)`, well-formed JSON. */
export function slowNumber(from: Place, to: Place): f64 {
  const n = new StaticArray<u32>(LIMBS);
  let digits = 0;
  let exponent = 0;
  let isFraction = false;
  let isMore = false;
  let at = from;
  if (getU8(at) == 0x2d) at++;
  for (; at < to; at++) {
    const byte = getU8(at);
    if (byte == 0x2e) {
      isFraction = true;
      continue;
    }
    const digit = byte - 0x30;
    if (digit > 9) break;
    if (digits < DIGITS_MAX) {
      multiplyAdd(n, 10, digit);
      if (digits > 0 || digit != 0) digits++;
      if (isFraction) exponent--;
    } else {
      if (digit != 0) isMore = true;
      if (!isFraction) exponent++;
    }
  }
  if (digits == 0) return 0;
  if (at < to) exponent += readExponent(at + 1, to);
  if (digits + exponent > 310) return Infinity;
  if (digits + exponent < -326) return 0;
  const d = new StaticArray<u32>(LIMBS);
  d[0] = 1;
  for (let i = 0; i < exponent; i++) multiplyAdd(n, 10, 0);
  for (let i = 0; i > exponent; i--) multiplyAdd(d, 10, 0);
  return quotient(n, d, isMore);
}

/** n / d. The operands are brought to a quotient of 63 or 64 bits first. */
function quotient(n: StaticArray<u32>, d: StaticArray<u32>, isMore: bool): f64 {
  const shift = 63 - (bitLength(n) - bitLength(d));
  if (shift > 0) shiftLeft(n, shift);
  else shiftLeft(d, -shift);
  shiftLeft(d, 64);
  let q: u64 = 0;
  for (let i = 0; i < 64; i++) {
    shiftLeft(n, 1);
    q <<= 1;
    if (!isBelow(n, d)) {
      subtract(n, d);
      q |= 1;
    }
  }
  const zeros = clz(q) as i32;
  return rounded(q << zeros, isMore || bitLength(n) > 0, -shift - zeros);
}

function multiplyAdd(n: StaticArray<u32>, factor: u32, addend: u32): void {
  let carry: u64 = addend;
  for (let i = 0; i < LIMBS; i++) {
    const product = <u64>unchecked(n[i]) * factor + carry;
    unchecked((n[i] = <u32>product));
    carry = product >>> 32;
  }
}

function shiftLeft(n: StaticArray<u32>, bits: i32): void {
  const limbs = bits >>> 5;
  const rest = bits & 31;
  for (let i = LIMBS - 1; i >= 0; i--) {
    const high = i >= limbs ? unchecked(n[i - limbs]) : 0;
    const low = i > limbs ? unchecked(n[i - limbs - 1]) : 0;
    unchecked((n[i] = rest == 0 ? high : (high << rest) | (low >>> (32 - rest))));
  }
}

function subtract(n: StaticArray<u32>, d: StaticArray<u32>): void {
  let borrow: i64 = 0;
  for (let i = 0; i < LIMBS; i++) {
    const difference = <i64>unchecked(n[i]) - <i64>unchecked(d[i]) + borrow;
    unchecked((n[i] = <u32>difference));
    borrow = difference >> 32;
  }
}

function isBelow(n: StaticArray<u32>, d: StaticArray<u32>): bool {
  for (let i = LIMBS - 1; i >= 0; i--) {
    if (unchecked(n[i]) != unchecked(d[i])) return unchecked(n[i]) < unchecked(d[i]);
  }
  return false;
}

function bitLength(n: StaticArray<u32>): i32 {
  let i = LIMBS - 1;
  while (i >= 0 && unchecked(n[i]) == 0) i--;
  return i < 0 ? 0 : i * 32 + 32 - <i32>clz(unchecked(n[i]));
}
