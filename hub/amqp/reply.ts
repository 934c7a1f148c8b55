/** Messages that the hub itself makes: answers and requests on token, twin and method links. */
import { FIELD, SECTION } from "./message.ts";
import { TYPE } from "./value.ts";
import { Writer } from "./writer.ts";

export type PlainValue = string | { readonly int: number };

export interface PlainMessage {
  /** As encoded; see `MessageReader.rawField`. */
  readonly correlationId?: Buffer | null;
  readonly annotations?: Readonly<Record<string, PlainValue>>;
  readonly properties?: Readonly<Record<string, PlainValue>>;
  /** A data section; absent = a null value. */
  readonly body?: Uint8Array | null;
}

const writer = new Writer();

/** The encoded message: a copy. */
export function encodePlain({ correlationId, annotations, properties, body }: PlainMessage): Buffer {
  writer.reset();
  if (annotations !== undefined) writeMap(SECTION.MESSAGE_ANNOTATIONS, annotations, TYPE.SYMBOL8);
  if (correlationId) {
    writer.described(SECTION.PROPERTIES);
    const list = writer.open(TYPE.LIST32);
    for (let i = 0; i < FIELD.CORRELATION_ID; i++) writer.null();
    writer.raw(correlationId);
    writer.close(list, FIELD.CORRELATION_ID + 1);
  }
  if (properties !== undefined) writeMap(SECTION.APPLICATION_PROPERTIES, properties, TYPE.STRING8);
  if (body) {
    writer.described(SECTION.DATA);
    writer.content(TYPE.BINARY8, Buffer.from(body.buffer, body.byteOffset, body.length), 0, body.length);
  } else {
    writer.described(SECTION.VALUE);
    writer.null();
  }
  return Buffer.from(writer.view());
}

/** A string as a value of its own. */
export function encodeText(text: string): Buffer {
  writer.reset();
  writer.string(text);
  return Buffer.from(writer.view());
}

function writeMap(section: number, map: Readonly<Record<string, PlainValue>>, keyType: number): void {
  const entries = Object.entries(map);
  writer.described(section);
  const opened = writer.open(TYPE.MAP32);
  for (const [key, value] of entries) {
    writer.text(keyType, key);
    if (typeof value === "string") writer.string(value);
    else writer.int(value.int);
  }
  writer.close(opened, 2 * entries.length);
}
