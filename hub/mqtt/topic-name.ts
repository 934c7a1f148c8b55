/** Topic names as the specification has them (§1.5.3, §4.7), before anybody asks what they mean. */

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const PLUS = 0x2b;
const HASH = 0x23;

/**
 * The topic name in `[from, to)`, or `null`: empty [MQTT-4.7.3-1], with a wildcard [MQTT-3.3.2-2], with
 * U+0000 [MQTT-1.5.3-2], or ill-formed utf-8 [MQTT-1.5.3-1].
 */
export function readTopicName(bytes: Buffer, from: number, to: number): string | null {
  if (from >= to) return null;
  let isAscii = true;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte === 0 || byte === PLUS || byte === HASH) return null;
    if (byte > 127) isAscii = false;
  }
  if (isAscii) return bytes.toString("latin1", from, to);
  try {
    return strictUtf8.decode(bytes.subarray(from, to));
  } catch {
    return null;
  }
}

/** The same for a string that mqtt-packet decoded. */
export const isTopicName = (topic: string): boolean => topic !== "" && !/[+#\0]/.test(topic);
