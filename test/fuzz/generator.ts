/** Streams by seed and number: a session of somebody registered, well-formed, then mutated, and cut into writes. */
import { amqpHoard } from "./amqp-hoard.ts";
import { amqpSession } from "./amqp-session.ts";
import { drawsOf, type Draws } from "./draws.ts";
import { mqttSession } from "./mqtt-session.ts";
import { mutated } from "./mutator.ts";
import type { Population } from "./population.ts";
import { FAREWELLS, WIRES, type Piece, type Stream, type Wire } from "./stream.ts";
import { tlsSession } from "./tls-session.ts";
import { httpSession, webSession } from "./web-session.ts";

/** Of a hundred streams, on each wire. */
const SHARES: Readonly<Record<Wire, number>> = {
  mqtt: 35,
  amqp: 35,
  "web-mqtt": 9,
  "web-amqp": 9,
  http: 8,
  tls: 4,
};
/** Of a hundred streams, those that are left as they were made: what the others are compared with. */
const WHOLE_PERCENT = 10;
/** Of a hundred mutated ones, those whose beginning is left alone, so that they are let in. */
const LET_IN_PERCENT = 60;
/** Of a hundred streams of AMQP, those of somebody who comes without a token, and to stay. */
const HOARD_PERCENT = 5;
/** Pieces that are left alone then: of AMQP, to BEGIN, and to the token that came in a message. */
const SPARED_MIN = { mqtt: 1, amqp: 8 } as const;

/** @param crowd streams at the beginning of a run that are all of such strangers: as many as stay at once */
export function streamOf(seed: number, index: number, { members }: Population, crowd = 0): Stream {
  const draws = drawsOf(seed, index);
  const wire = index < crowd ? "amqp" : wireOf(draws.below(100));
  if (index < crowd || (wire === "amqp" && draws.chance(HOARD_PERCENT)))
    return { wire, index, pieces: amqpHoard(draws), cut: "pieces", farewell: "stay" };
  const pieces = piecesOf(wire, draws, draws.pick(members));
  const cut = draws.pick([
    "pieces",
    "pieces",
    "whole",
    1 + draws.below(draws.pick([3, 100, 3_000])),
  ] as const);
  const farewell = draws.pick(FAREWELLS);
  return { wire, index, pieces, cut, farewell };
}

function wireOf(drawn: number): Wire {
  let left = drawn;
  return WIRES.find((wire) => (left -= SHARES[wire]) < 0)!;
}

function piecesOf(wire: Wire, draws: Draws, member: Population["members"][number]): readonly Piece[] {
  const isWhole = draws.chance(WHOLE_PERCENT);
  const isLetIn = draws.chance(LET_IN_PERCENT);
  const change = (pieces: readonly Piece[], spared: number): readonly Piece[] =>
    isWhole ? pieces : mutated(draws, pieces, isLetIn ? spared : 0);
  switch (wire) {
    case "mqtt":
      return change(mqttSession(draws, member), SPARED_MIN.mqtt);
    case "amqp":
      return change(amqpSession(draws, member), SPARED_MIN.amqp);
    case "web-mqtt":
    case "web-amqp":
      return webPieces(wire, draws, member, change);
    case "http":
      return change(httpSession(draws), 0);
    case "tls":
      return change(tlsSession(draws), 0);
  }
}

/** Either what is inside is mutated, or the frames around it. */
function webPieces(
  wire: "web-mqtt" | "web-amqp",
  draws: Draws,
  member: Population["members"][number],
  change: (pieces: readonly Piece[], spared: number) => readonly Piece[],
): readonly Piece[] {
  const isMqtt = wire === "web-mqtt";
  const inner = isMqtt ? mqttSession(draws, member) : amqpSession(draws, member);
  const spared = isMqtt ? SPARED_MIN.mqtt : SPARED_MIN.amqp;
  const protocol = isMqtt ? "mqtt" : "AMQPWSB10";
  if (draws.chance(50)) return webSession(draws, protocol, change(inner, spared));
  return change(webSession(draws, protocol, inner), spared + 1);
}
