/**
 * Golden vectors: bytes as hex, a field per line, with its name behind `#`. They are frozen. `UPDATE_GOLDEN=1`
 * writes vectors that do not exist yet, and never changes one that does.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** A field's name and its bytes. */
export type Field = readonly [name: string, bytes: Buffer];

const place = (name: string): URL => new URL(`../golden/abi/${name}.hex`, import.meta.url);

export function readVector(name: string): Buffer {
  const text = readFileSync(place(name), "utf8");
  return Buffer.from(text.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, ""), "hex");
}

export function keepVector(name: string, title: string, fields: readonly Field[]): void {
  if (process.env["UPDATE_GOLDEN"] !== "1" || existsSync(place(name))) return;
  const rows = fields.map(([field, bytes]) => `${bytes.toString("hex").padEnd(34)} # ${field}`);
  writeFileSync(place(name), `# ${title}\n${rows.join("\n")}\n`);
}

export const bytesOf = (fields: readonly Field[]): Buffer => Buffer.concat(fields.map(([, bytes]) => bytes));

export const u8 = (name: string, value: number): Field => [name, Buffer.from([value])];
export function u16(name: string, value: number): Field {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return [name, bytes];
}
export function u32(name: string, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [name, bytes];
}
export function f64(name: string, value: number): Field {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [name, bytes];
}
export const text = (name: string, value: string): Field => [name, Buffer.from(value, "utf8")];
export const hex = (name: string, value: string): Field => [name, Buffer.from(value, "hex")];
/** `bytes` of padding; none when 0. */
export const zeros = (name: string, bytes: number): Field => [name, Buffer.alloc(bytes)];
