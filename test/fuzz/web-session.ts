/** What is said to the web listener: upgrades, the frames that carry MQTT and AMQP behind them, and plain requests. */
import type { Draws } from "./draws.ts";
import { piece, type Piece } from "./stream.ts";

const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;
const FIN = 0x80;
const MASKED = 0x80;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const PATH = "/$iothub/websocket";
const REQUESTS_MAX = 4;

/** The upgrade, then each piece as one message or a few. */
export function webSession(draws: Draws, protocol: "mqtt" | "AMQPWSB10", inner: readonly Piece[]): Piece[] {
  const pieces = [upgradeOf(draws, protocol)];
  for (const each of inner) {
    if (draws.chance(10)) pieces.push(control(draws));
    pieces.push(messageOf(draws, each));
  }
  if (draws.chance(50))
    pieces.push(piece("WS close", wsFrame(draws, FIN | OPCODE.CLOSE, Buffer.from([3, 232]))));
  return pieces;
}

function upgradeOf(draws: Draws, protocol: string): Piece {
  const path = draws.pick([PATH, `${PATH}?iothub-no-client-cert=true`, "/%24iothub/websocket"]);
  const fields = [
    "Host: gw",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${KEY}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
    ...(draws.chance(10) ? ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"] : []),
  ];
  return piece("upgrade", Buffer.from(`GET ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`), true);
}

function messageOf(draws: Draws, { kind, bytes, asks, isMutated }: Piece): Piece {
  const parts = draws.chance(20) ? 1 + draws.below(draws.pick([4, 40])) : 1;
  const frames: Buffer[] = [];
  for (let part = 0; part < parts; part++) {
    const opcode = part === 0 ? OPCODE.BINARY : OPCODE.CONTINUATION;
    const from = Math.floor((bytes.length * part) / parts);
    const to = Math.floor((bytes.length * (part + 1)) / parts);
    frames.push(wsFrame(draws, opcode | (part === parts - 1 ? FIN : 0), bytes.subarray(from, to)));
  }
  const framed = piece(kind, Buffer.concat(frames), asks);
  return isMutated === true ? { ...framed, isMutated } : framed;
}

const control = (draws: Draws): Piece => {
  const opcode = draws.chance(95) ? draws.pick([OPCODE.PING, OPCODE.PONG]) : OPCODE.TEXT;
  const times = draws.chance(5) ? draws.below(2_000) : 1;
  const body = draws.bytes(draws.below(126));
  return piece(
    "WS control",
    Buffer.concat(Array.from({ length: times }, () => wsFrame(draws, FIN | opcode, body))),
  );
};

function wsFrame(draws: Draws, first: number, body: Buffer): Buffer {
  const mask = draws.bytes(4);
  const masked = Buffer.from(body);
  for (let i = 0; i < masked.length; i++) masked[i]! ^= mask[i & 3]!;
  return Buffer.concat([Buffer.from([first]), lengthOf(body.length), mask, masked]);
}

/** As the sender of the frame chooses the shortest (RFC 6455, 5.2). */
function lengthOf(length: number): Buffer {
  if (length < 126) return Buffer.from([MASKED | length]);
  if (length < 65_536) return Buffer.from([MASKED | 126, length >> 8, length & 255]);
  const bytes = Buffer.alloc(9);
  bytes[0] = MASKED | 127;
  bytes.writeUInt32BE(length, 5);
  return bytes;
}

/** A few requests on one connection, for what is there and what is not. */
export function httpSession(draws: Draws): Piece[] {
  return Array.from({ length: 1 + draws.below(REQUESTS_MAX) }, () => requestOf(draws));
}

function requestOf(draws: Draws): Piece {
  const method = draws.pick(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW"]);
  const path = draws.pick([
    "/",
    PATH,
    "/twins/d1/modules/m1/methods?api-version=2018-06-30",
    "/twins/d1/methods?api-version=2018-06-30",
    "/modules/m0/genid/1/sign?api-version=2018-06-28",
    `/${"../".repeat(draws.below(200))}etc/passwd`,
    `/%00%ff/${"x".repeat(draws.below(20_000))}`,
    "*",
    "http://elsewhere/",
  ]);
  const body = draws.chance(50)
    ? Buffer.from('{"methodName":"m","payload":{}}')
    : draws.bytes(draws.below(3_000));
  const isChunked = draws.chance(20);
  const fields = [
    "Host: gw",
    "Authorization: SharedAccessSignature sr=x&sig=y&se=1",
    ...Array.from({ length: draws.chance(5) ? draws.below(200) : 0 }, (_, i) => `X-${i}: ${i}`),
    isChunked
      ? "Transfer-Encoding: chunked"
      : `Content-Length: ${draws.chance(90) ? body.length : draws.pick([-1, 1e9, 300_000])}`,
  ];
  const sent = isChunked
    ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")])
    : body;
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
  return piece("request", Buffer.concat([head, sent]), true);
}
