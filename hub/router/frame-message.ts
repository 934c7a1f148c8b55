/**
 * A message as routes see it, read in place from its frame. One instance serves every message of a hub:
 * `at` points it at the next, and nothing is allocated until a property is asked for.
 *
 * Invariant: what was read of one message is never answered for another; `at` forgets the parsed body.
 */
import {
  appLength,
  appStart,
  Block,
  bodyLength,
  bodyStart,
  findById,
  FRAME,
  frameEnqueued,
  PROPERTY,
  PROPERTY_ID,
  PROPERTY_TYPE,
  propertyLength,
  propertyValue,
  SYSTEM_PROPERTIES,
  sysLength,
  sysStart,
} from "../../abi/index.ts";
import { parseBody } from "./body.ts";
import type { MessageOrigin, RouteMessage } from "./message.ts";

/** Furthest a Date reaches from 1970, ms. */
const TIME_MS_MAX = 8.64e15;

/** Lower-case names of the properties that a frame carries; `cid` is how edge hubs call the second. */
const SYSTEM_IDS: ReadonlyMap<string, number> = new Map([
  ...SYSTEM_PROPERTIES.slice(1).map(({ name }, i) => [name.toLowerCase(), i + 1] as const),
  ["cid", PROPERTY_ID.CORRELATION_ID],
]);

/** A frame without anything, for an instance that was never pointed at one. */
const EMPTY = Block.allocate(FRAME.SIZE);
/** Names that routes ask for; more than these are looked up each time. */
const REMEMBERED_NAMES_MAX = 64;

interface Remembered {
  message: number;
  value: string | null | undefined;
}

const NOWHERE: MessageOrigin = { deviceId: "", moduleId: null, output: null };

export class FrameMessage implements RouteMessage {
  #block = EMPTY;
  #at = 0;
  #origin = NOWHERE;
  #body: unknown = undefined;
  #isBodyParsed = false;
  /** Counts messages: what was remembered for an earlier one is out of date. */
  #message = 0;
  readonly #remembered = new Map<string, Remembered>();

  /**
   * @param frameAt first byte of a well-formed frame (`frameFault` says null), which stays as it is until
   *   the next call
   */
  at(block: Block, frameAt: number, origin: MessageOrigin): this {
    this.#block = block;
    this.#at = frameAt;
    this.#origin = origin;
    this.#body = undefined;
    this.#isBodyParsed = false;
    this.#message++;
    return this;
  }

  /** Of a name given twice, the last counts. Found and decoded once per message, however many routes ask. */
  application(name: string): string | null | undefined {
    const remembered = this.#remembered.get(name);
    if (remembered === undefined) {
      const value = this.#find(name);
      if (this.#remembered.size < REMEMBERED_NAMES_MAX) {
        this.#remembered.set(name, { message: this.#message, value });
      }
      return value;
    }
    if (remembered.message !== this.#message) {
      remembered.value = this.#find(name);
      remembered.message = this.#message;
    }
    return remembered.value;
  }

  #find(name: string): string | null | undefined {
    const block = this.#block;
    let found = -1;
    let at = appStart(block, this.#at);
    const end = at + appLength(block, this.#at);
    while (at < end) {
      const length = propertyLength(block, at, end);
      if (length < 0) break;
      if (isNamed(block, at, name)) found = at;
      at += length;
    }
    return found < 0 ? undefined : textAt(block, found);
  }

  system(name: string): string | null | undefined {
    switch (name.toLowerCase()) {
      case "connectiondeviceid":
        return this.#origin.deviceId;
      case "connectionmoduleid":
        return this.#origin.moduleId ?? undefined;
      case "outputname":
        return this.#origin.output ?? undefined;
      case "enqueuedtime":
        return isoTime(frameEnqueued(this.#block, this.#at));
      default: {
        const id = SYSTEM_IDS.get(name.toLowerCase());
        return id === undefined ? undefined : this.#systemById(id);
      }
    }
  }

  body(): unknown {
    if (this.#isBodyParsed) return this.#body;
    const from = bodyStart(this.#block, this.#at);
    const bytes = this.#block.u8.subarray(from, from + bodyLength(this.#block, this.#at));
    const contentType = this.#systemById(PROPERTY_ID.CONTENT_TYPE);
    const contentEncoding = this.#systemById(PROPERTY_ID.CONTENT_ENCODING);
    this.#body = parseBody(contentType, contentEncoding, bytes);
    this.#isBodyParsed = true;
    return this.#body;
  }

  #systemById(id: number): string | null | undefined {
    const block = this.#block;
    const start = sysStart(block, this.#at);
    const found = findById(block, start, start + sysLength(block, this.#at), id);
    return found < 0 ? undefined : textAt(block, found);
  }
}

/** A guest may write any bits as a time; those that are none read as null. */
function textAt(block: Block, at: number): string | null {
  if (block.u8[at + PROPERTY.TYPE] !== PROPERTY_TYPE.TIME) return propertyValue(block, at);
  if (block.u32[(at + PROPERTY.VALUE_LEN) >> 2] !== 8) return null;
  const value = at + PROPERTY.SIZE + block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
  return isoTime(block.u8.readDoubleLE(value)) ?? null;
}

function isoTime(ms: number): string | undefined {
  return Math.abs(ms) <= TIME_MS_MAX ? new Date(ms).toISOString() : undefined;
}

/** Compares bytes with characters as long as both are ASCII, so that no string is made of most names. */
function isNamed(block: Block, at: number, name: string): boolean {
  if (block.u16[(at + PROPERTY.NAME_ID) >> 1] !== 0) return false;
  const start = at + PROPERTY.SIZE;
  const length = block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
  const shared = Math.min(length, name.length);
  for (let i = 0; i < shared; i++) {
    const byte = block.u8[start + i]!;
    const unit = name.charCodeAt(i);
    if ((byte | unit) >= 0x80) {
      return block.u8.toString("utf8", start, start + length).toLowerCase() === name.toLowerCase();
    }
    if (byte !== unit && folded(byte) !== folded(unit)) return false;
  }
  return length === name.length;
}

/** ASCII upper case to lower case. */
const folded = (byte: number): number => (byte >= 65 && byte <= 90 ? byte + 32 : byte);
