/** The smallest binary the engine compiles, made unique by a custom section that holds `text`. */
export function smallWasm(text: string): Uint8Array {
  const name = Buffer.from("test");
  const body = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(text)]);
  if (body.length > 127) throw new Error("too long for this encoding");
  return Buffer.concat([
    Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]),
    Buffer.from([0x00, body.length]),
    body,
  ]);
}
