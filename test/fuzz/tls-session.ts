/** The first flight of a TLS client, by hand, so that it follows from the seed; what comes behind it is no TLS any more. */
import type { Draws } from "./draws.ts";
import { piece, type Piece } from "./stream.ts";

const RECORD = { ALERT: 21, HANDSHAKE: 22, APPLICATION: 23 } as const;
const CLIENT_HELLO = 1;
const TLS_12 = [3, 3];
const CIPHERS = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9];
const GROUPS = [0x001d, 0x0017];
const SIGNATURES = [0x0403, 0x0804, 0x0401];
const EXTENSION = { GROUPS: 10, POINTS: 11, SIGNATURES: 13 } as const;

export function tlsSession(draws: Draws): Piece[] {
  const pieces = [piece("ClientHello", record(RECORD.HANDSHAKE, hello(draws)), true)];
  for (let n = draws.below(4); n > 0; n--) {
    const type = draws.pick([...Object.values(RECORD), draws.below(256)]);
    pieces.push(piece("record", record(type, draws.bytes(draws.below(draws.pick([5, 600]))))));
  }
  return pieces;
}

const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const list16 = (values: readonly number[]): Buffer => sized(Buffer.concat(values.map(uint16)));
const sized = (bytes: Buffer): Buffer => Buffer.concat([uint16(bytes.length), bytes]);
const extension = (id: number, body: Buffer): Buffer => Buffer.concat([uint16(id), sized(body)]);

const record = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, ...TLS_12]), sized(body)]);

function hello(draws: Draws): Buffer {
  const extensions = Buffer.concat([
    extension(EXTENSION.GROUPS, list16(GROUPS)),
    extension(EXTENSION.POINTS, Buffer.from([1, 0])),
    extension(EXTENSION.SIGNATURES, list16(SIGNATURES)),
  ]);
  const body = Buffer.concat([
    Buffer.from(TLS_12),
    draws.bytes(32),
    Buffer.from([0]), // no session to resume
    list16(CIPHERS),
    Buffer.from([1, 0]), // no compression
    sized(extensions),
  ]);
  return Buffer.concat([Buffer.from([CLIENT_HELLO, 0]), uint16(body.length), body]);
}
