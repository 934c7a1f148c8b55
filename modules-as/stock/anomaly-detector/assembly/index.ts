/**
 * Finds readings that lie far from the recent ones of the same source. A reading from `readings` is JSON with
 * a number `value`, and maybe a `timestamp`; what is found goes to `alerts`.
 *
 * A reading is judged against the window of those before it, and joins the window afterwards, alert or not.
 * Until the window holds `warmUp` readings nothing is found. The arithmetic is plain f64 from the oldest
 * reading to the newest, so anybody who computes it in that order gets the same alerts.
 *
 * Configuration: `window`, readings that count (288, a day of one each five minutes); `warmUp` (the window);
 * `k`, how many standard deviations are far (3).
 *
 * Everything lies in the key-value store, under `window/<source>` (f64, oldest first) and `count/<source>`, and
 * nothing in globals: the next batch may be another instance's.
 */
import { JsonObject, Message, config, emitJson, kv } from "@sandpiper/module";

/** What one value of the key-value store holds. */
const WINDOW_MAX: i32 = 8192;
const READING_BYTES: i32 = 8;

/** Workspace for the window of one reading. */
const recent = new Float64Array(WINDOW_MAX);
const recentBytes = Uint8Array.wrap(recent.buffer);

@input("readings")
export function onReading(message: Message): void {
  const value = message.json().number("value");
  if (!isFinite(value)) {
    message.reject('reading: "value" is not a number');
    return;
  }
  const source = message.source;
  const countKey = "count/" + source;
  kv.putNumber(countKey, kv.getNumber(countKey, 0) + 1);

  const windowMax = min(max(<i32>config.number("window", 288), 2), WINDOW_MAX);
  const windowKey = "window/" + source;
  let count = max(kv.readBytes(windowKey, recentBytes), 0) / READING_BYTES;
  // It was longer if the configuration had more then.
  if (count > windowMax) count = keepNewest(count, windowMax);
  if (count >= <i32>config.number("warmUp", windowMax)) judge(message, value, count);

  if (count == windowMax) count = keepNewest(count, windowMax - 1);
  recent[count++] = value;
  kv.putBytes(windowKey, recentBytes.subarray(0, count * READING_BYTES));
}

function keepNewest(count: i32, most: i32): i32 {
  recent.copyWithin(0, count - most, count);
  return most;
}

/** Judges a reading against the `count` before it. */
function judge(message: Message, value: f64, count: i32): void {
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) sum += unchecked(recent[i]);
  const mean = sum / count;
  let squares: f64 = 0;
  for (let i = 0; i < count; i++) {
    const distance = unchecked(recent[i]) - mean;
    squares += distance * distance;
  }
  const deviation = Math.sqrt(squares / count);
  if (Math.abs(value - mean) <= config.number("k", 3) * deviation) return;

  const alert = new JsonObject()
    .string("source", message.source)
    .number("value", value)
    .number("mean", mean)
    .number("deviation", deviation);
  const timestamp = message.json().string("timestamp");
  if (timestamp !== null) alert.string("timestamp", timestamp);
  const emission = emitJson("alerts", alert).property("alert", "anomaly");
  const messageId = message.messageId;
  if (messageId !== null) emission.correlationId(messageId);
}
