/** The module of the measurements, as an author would write it. A body of fewer than 16 bytes is poison to it. */
export const COUNTER_SOURCE = `import { Message, kv } from "@sandpiper/module";

@input("in")
export function onMessage(message: Message): void {
  if (message.bodyLength < 16) throw new Error("poison");
  const source = message.source;
  kv.putI64(source, kv.getI64(source) + 1);
  message.forward("out");
}
`;
