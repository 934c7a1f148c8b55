/**
 * What one connection says, from its first byte to how it goes. A stream is made once, of a seed and a number, and
 * then only sent: it does not depend on what is answered, so it can be kept in a file and sent again.
 */

/** Listeners, and what is spoken there. */
export const WIRES = ["mqtt", "amqp", "web-mqtt", "web-amqp", "http", "tls"] as const;
export type Wire = (typeof WIRES)[number];

/** A packet or frame, or what a mutation has left of it. */
export interface Piece {
  /** As it was meant: of what kind it was before it was mutated. */
  readonly kind: string;
  readonly bytes: Buffer;
  /** What follows waits until something has been answered, for a moment at most. */
  readonly asks: boolean;
  readonly isMutated?: boolean;
}

export const piece = (kind: string, bytes: Buffer, asks = false): Piece => ({ kind, bytes, asks });

/** How a connection goes: reads on until the other side ends, ends its own half, breaks off, or stays and is silent. */
export const FAREWELLS = ["close", "half", "reset", "stay"] as const;
export type Farewell = (typeof FAREWELLS)[number];

export interface Stream {
  readonly wire: Wire;
  /** Of the run it is from; -1 = of a file. */
  readonly index: number;
  readonly pieces: readonly Piece[];
  /** Pieces are written as they are, all in one, or in parts of at most so many bytes. */
  readonly cut: "pieces" | "whole" | number;
  readonly farewell: Farewell;
}
