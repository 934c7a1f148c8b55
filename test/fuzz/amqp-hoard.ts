/** Somebody without a token who makes the hub hold as much as it lets him, and stays: names, ids, unfinished messages. */
import rhea from "rhea";
import termini from "rhea/lib/terminus.js";
import { frame, HEADER } from "../hub/amqp/wire.ts";
import type { Draws } from "./draws.ts";
import { piece, type Piece } from "./stream.ts";

const LINKS_MAX = 400;
const REQUESTS_MAX = 60;
/** Below 8 MB together. */
const UNFINISHED_LINKS = 10;
const UNFINISHED_PARTS = 12;
const PART_BYTES_MAX = 60_000;
const ID_CHARACTERS_MAX = 59_000;
/** Two of them fit a frame. */
const TEXT_CHARACTERS_MAX = 30_000;

/** Nine tenths of it, or more. */
const nearly = (draws: Draws, max: number): number => max - draws.below(max / 10);

export function amqpHoard(draws: Draws): Piece[] {
  const begin = frame("begin", { next_outgoing_id: 0, incoming_window: 5_000, outgoing_window: 5_000 });
  const pieces = [
    piece("header", HEADER),
    piece("OPEN", frame("open", { container_id: "hoard" })),
    piece("BEGIN", begin),
    piece("ATTACH", attach(draws, 0, "$cbs"), true),
  ];
  const makes = draws.pick(HOARDS);
  return [...pieces, ...makes(draws)];
}

const attach = (draws: Draws, handle: number, address: string): Buffer =>
  frame("attach", {
    name: `h${handle}`,
    handle,
    role: false,
    target: termini.target({ address }).described(),
    initial_delivery_count: 0,
    properties: { "com.microsoft:x": "v".repeat(nearly(draws, TEXT_CHARACTERS_MAX)) },
  });

const transfer = (id: number, handle: number, more: boolean, payload: Buffer): Buffer =>
  frame("transfer", { handle, delivery_id: id, delivery_tag: Buffer.from("t"), more }, 0, payload);

type Hoard = (draws: Draws) => Piece[];

/** Links that are refused, and never let go. */
const links: Hoard = (draws) =>
  Array.from({ length: 1 + draws.below(LINKS_MAX) }, (_, i) =>
    piece("ATTACH", attach(draws, i + 1, `/devices/${"d".repeat(nearly(draws, TEXT_CHARACTERS_MAX))}`)),
  );

/** Messages that never end, on as many links as there may be. */
const unfinished: Hoard = (draws) =>
  Array.from({ length: UNFINISHED_LINKS }, (_, i) => {
    const open = i === 0 ? [] : [attach(draws, i, "$cbs")];
    const parts = Array.from({ length: UNFINISHED_PARTS }, () =>
      transfer(i, i, true, Buffer.alloc(PART_BYTES_MAX, 1)),
    );
    return piece("TRANSFER unfinished", Buffer.concat([...open, ...parts]), true);
  });

/** Requests with large ids, whose answers have nowhere to go. */
const requests: Hoard = (draws) =>
  Array.from({ length: 1 + draws.below(REQUESTS_MAX) }, (_, i) => {
    const message = rhea.message.encode({
      message_id: "i".repeat(nearly(draws, ID_CHARACTERS_MAX)),
      body: "t",
    });
    return piece("TRANSFER", transfer(i, 0, false, message));
  });

const HOARDS: readonly Hoard[] = [links, unfinished, requests];
