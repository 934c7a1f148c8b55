/**
 * Source positions of wasm code offsets, from a source map (version 3). In a wasm map all code is line 1 and
 * the column is the byte offset in the binary.
 *
 * A map is kept beside an artifact and signed by nobody: a bad one costs positions, never more. It is decoded
 * when the first fault needs it, since most modules never do.
 */
const MAP_CHARS_MAX = 16 * 1024 * 1024;
const FILE_CHARS_MAX = 200;

export interface SourcePosition {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

interface Segments {
  /** Ascending. */
  readonly offsets: number[];
  /** Three numbers per offset: source, line, column; from 0. */
  readonly places: number[];
  readonly sources: readonly unknown[];
}

export class SourceMap {
  #json: string | null;
  #segments: Segments | null = null;

  constructor(json: string) {
    this.#json = json;
  }

  lookup(offset: number): SourcePosition | null {
    const { offsets, places, sources } = this.#decoded();
    if (offsets.length === 0) return null;
    // A trap at the very start of an expression lies just before its segment: the first one then.
    const i = Math.max(0, upperBound(offsets, offset) - 1);
    const file = sources[places[i * 3]!];
    if (typeof file !== "string") return null;
    return {
      file: file.slice(-FILE_CHARS_MAX),
      line: places[i * 3 + 1]! + 1,
      column: places[i * 3 + 2]! + 1,
    };
  }

  #decoded(): Segments {
    if (this.#segments === null) {
      this.#segments = decode(this.#json ?? "");
      this.#json = null;
    }
    return this.#segments;
  }
}

const NONE: Segments = { offsets: [], places: [], sources: [] };

function decode(json: string): Segments {
  if (json.length > MAP_CHARS_MAX) return NONE;
  try {
    const { mappings, sources } = (JSON.parse(json) ?? {}) as Record<string, unknown>;
    if (typeof mappings !== "string" || !Array.isArray(sources)) return NONE;
    return { ...decodeLine(mappings.split(";", 1)[0]!), sources };
  } catch {
    return NONE;
  }
}

/** One line of mappings: segments of deltas (column, source, line, column[, name]), each a VLQ. */
function decodeLine(line: string): { offsets: number[]; places: number[] } {
  const offsets: number[] = [];
  const places: number[] = [];
  const fields = [0, 0, 0, 0, 0];
  for (const segment of line.split(",")) {
    const deltas = decodeVlq(segment);
    for (let i = 0; i < deltas.length && i < fields.length; i++) fields[i]! += deltas[i]!;
    if (deltas.length < 4) continue;
    offsets.push(fields[0]!);
    places.push(fields[1]!, fields[2]!, fields[3]!);
  }
  return { offsets, places };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base64 VLQ: five bits a digit, the sixth says that more follow, the lowest of all is the sign. */
function decodeVlq(text: string): number[] {
  const values: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0 || shift > 30) return [];
    value |= (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    values.push((value & 1) === 0 ? value >>> 1 : -(value >>> 1));
    value = 0;
    shift = 0;
  }
  return values;
}

function upperBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
