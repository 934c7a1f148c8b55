/**
 * Numbers as text, both ways, so that what is printed reads back as the same f64. Reading rounds correctly
 * for every input: most numbers take one multiplication, longer ones 128-bit arithmetic, the rest whole
 * digits.
 */
import { slowNumber } from "./decimal";
import { Place, getU8 } from "./memory";

/** Powers of ten that an f64 holds exactly. */
const POW10: StaticArray<f64> = [
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
  1e20, 1e21, 1e22,
];
const POW10_EXACT: i32 = 22;
const MANTISSA_EXACT: u64 = 1 << 53;
/** Digits that a u64 surely holds. */
const DIGITS_MAX: i32 = 19;
/** 5^27 is the last power of five that a u64 holds. */
const POW5_MAX: i32 = 27;
/** Beyond it the number is 0 or infinite, whatever its digits. */
const EXPONENT_MAX: i32 = 100000;

/** Reads the number in `[from, to)`, which must be well-formed JSON. */
export function readNumber(from: Place, to: Place): f64 {
  let at = from;
  const isNegative = getU8(at) == 0x2d;
  if (isNegative) at++;
  let mantissa: u64 = 0;
  let exponent: i32 = 0;
  let digits: i32 = 0;
  let isWhole = true;
  let isFraction = false;
  while (at < to) {
    const byte = getU8(at);
    if (byte == 0x2e) {
      isFraction = true;
    } else {
      const digit = byte - 0x30;
      if (digit > 9) break;
      if (digits < DIGITS_MAX) {
        mantissa = mantissa * 10 + digit;
        if (mantissa != 0) digits++;
        if (isFraction) exponent--;
      } else {
        if (digit != 0) isWhole = false;
        if (!isFraction) exponent++;
      }
    }
    at++;
  }
  if (at < to) exponent += readExponent(at + 1, to);
  const value = isWhole ? assemble(mantissa, exponent, from, to) : slowNumber(from, to);
  return isNegative ? -value : value;
}

export function readExponent(from: Place, to: Place): i32 {
  const sign = getU8(from);
  let exponent = 0;
  for (let at = sign == 0x2b || sign == 0x2d ? from + 1 : from; at < to; at++) {
    if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (getU8(at) - 0x30);
  }
  return sign == 0x2d ? -exponent : exponent;
}

function assemble(mantissa: u64, exponent: i32, from: Place, to: Place): f64 {
  if (mantissa == 0) return 0;
  if (mantissa <= MANTISSA_EXACT) {
    if (exponent >= 0 && exponent <= POW10_EXACT) return <f64>mantissa * unchecked(POW10[exponent]);
    if (exponent < 0 && exponent >= -POW10_EXACT) return <f64>mantissa / unchecked(POW10[-exponent]);
  }
  if (exponent >= 0 && exponent <= POW5_MAX) return multiplied(mantissa, exponent);
  if (exponent < 0 && exponent >= -POW5_MAX) return divided(mantissa, -exponent);
  return slowNumber(from, to);
}

function pow5(exponent: i32): u64 {
  let power: u64 = 1;
  for (let i = 0; i < exponent; i++) power *= 5;
  return power;
}

/** mantissa x 10^exponent, by way of 5^exponent and a 128-bit product. */
function multiplied(mantissa: u64, exponent: i32): f64 {
  const factor = pow5(exponent);
  const a = mantissa >>> 32;
  const b = mantissa & 0xffffffff;
  const c = factor >>> 32;
  const d = factor & 0xffffffff;
  const low = b * d;
  const middle = a * d + (low >>> 32); // at most (2^32-1)^2 + 2^32-1, which fits
  const cross = b * c + (middle & 0xffffffff);
  const high = a * c + (middle >>> 32) + (cross >>> 32);
  const rest = (cross << 32) | (low & 0xffffffff);
  if (high == 0) {
    const zeros = clz(rest) as i32;
    return rounded(rest << zeros, false, exponent - zeros);
  }
  const zeros = clz(high) as i32;
  const top = zeros == 0 ? high : (high << zeros) | (rest >>> (64 - zeros));
  return rounded(top, rest << zeros != 0, exponent + 64 - zeros);
}

/** mantissa / 10^exponent, by way of 5^exponent and a 64-bit quotient of normalised operands. */
function divided(mantissa: u64, exponent: i32): f64 {
  const divisor = pow5(exponent);
  const shiftN = clz(mantissa) as i32;
  const shiftD = clz(divisor) as i32;
  const n = mantissa << shiftN;
  const d = divisor << shiftD;
  const isLess = n < d;
  // (high, low) / d with high < d, so the quotient has 64 bits, the top one set.
  const high = isLess ? n : n >>> 1;
  const low: u64 = isLess ? 0 : n << 63;
  const q1 = quotientDigit(high, low >>> 32, d);
  const left = (high << 32) + (low >>> 32) - q1 * d;
  const q0 = quotientDigit(left, low & 0xffffffff, d);
  const remainder = (left << 32) + (low & 0xffffffff) - q0 * d;
  return rounded((q1 << 32) | q0, remainder != 0, shiftD - shiftN - exponent - (isLess ? 64 : 63));
}

/** One digit to the base 2^32 of (high, next) / d, where high < d: an estimate, corrected at most twice. */
function quotientDigit(high: u64, next: u64, d: u64): u64 {
  const dHigh = d >>> 32;
  const dLow = d & 0xffffffff;
  let digit = high / dHigh;
  let rest = high - digit * dHigh;
  while (digit >= 0x100000000 || digit * dLow > ((rest << 32) | next)) {
    digit--;
    rest += dHigh;
    if (rest >= 0x100000000) break;
  }
  return digit;
}

/**
 * The f64 nearest to `top` x 2^exponent, ties to even. The top bit of `top` is set; `isMore` says that the
 * true value is a little more.
 */
export function rounded(top: u64, isMore: bool, exponent: i32): f64 {
  const leading = exponent + 63;
  if (leading > 1023) return Infinity;
  const shift = leading < -1022 ? 11 - 1022 - leading : 11;
  if (shift > 64) return 0;
  let mantissa = shift == 64 ? 0 : top >>> shift;
  const rest = shift == 64 ? top : top & (((<u64>1) << shift) - 1);
  const half = (<u64>1) << (shift - 1);
  if (rest > half || (rest == half && (isMore || (mantissa & 1) != 0))) mantissa++;
  // A mantissa that rounded up to the next power of two carries into the exponent, as it should.
  const bits = leading < -1022 ? mantissa : ((<u64>(leading + 1022)) << 52) + mantissa;
  return reinterpret<f64>(bits);
}

/** The number as JavaScript prints it, or with a few more digits: it reads back as the same f64. */
export function numberText(value: f64): string {
  const text = value.toString();
  return text.endsWith(".0") ? text.substring(0, text.length - 2) : text;
}
