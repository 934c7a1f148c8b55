/**
 * Streams in a file, to be sent again: `npm run fuzz -- --replay FILE`. The seed is in it, because the identities
 * whose tokens the streams hold follow from it; they are registered nowhere but in the hub that is made for a run.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { FAREWELLS, WIRES, type Farewell, type Stream, type Wire } from "./stream.ts";

export interface StreamFile {
  readonly seed: number;
  /** What was wrong, in words. */
  readonly breaches: readonly string[];
  /** Sent one after the other. */
  readonly streams: readonly Stream[];
}

interface StoredPiece {
  readonly kind: string;
  readonly hex: string;
  readonly asks: boolean;
}

interface StoredStream {
  readonly wire: Wire;
  readonly cut: Stream["cut"];
  readonly farewell: Farewell;
  readonly pieces: readonly StoredPiece[];
}

export class StreamFileError extends Error {}

export function writeStreams(path: string, { seed, breaches, streams }: StreamFile): void {
  const stored: readonly StoredStream[] = streams.map(({ wire, cut, farewell, pieces }) => ({
    wire,
    cut,
    farewell,
    pieces: pieces.map(({ kind, bytes, asks }) => ({ kind, hex: bytes.toString("hex"), asks })),
  }));
  writeFileSync(path, `${JSON.stringify({ seed, breaches, streams: stored }, null, 2)}\n`);
}

/** @throws {StreamFileError} */
export function readStreams(path: string): StreamFile {
  const { seed, breaches, streams } = parsed(path);
  if (!Number.isSafeInteger(seed) || !Array.isArray(streams))
    throw new StreamFileError(`"${path}": no streams`);
  return { seed, breaches, streams: streams.map((stream) => restored(path, stream)) };
}

function parsed(path: string): StreamFile & { readonly streams: readonly StoredStream[] } {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as never;
  } catch (error) {
    throw new StreamFileError(`"${path}": ${(error as Error).message}`);
  }
}

function restored(path: string, { wire, cut, farewell, pieces }: StoredStream): Stream {
  if (!WIRES.includes(wire) || !FAREWELLS.includes(farewell) || !Array.isArray(pieces))
    throw new StreamFileError(`"${path}": not a stream`);
  return {
    wire,
    index: -1,
    cut,
    farewell,
    pieces: pieces.map(({ kind, hex, asks }) => ({ kind, bytes: Buffer.from(hex, "hex"), asks })),
  };
}
