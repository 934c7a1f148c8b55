/**
 * Passes on the messages from `input` whose value lies above a threshold, to `output`, with the property
 * `MessageType` = `alert`. The others end here.
 *
 * Configuration: `threshold` (25); `property`, where in the JSON body the number is, with dots between names
 * (`machine.temperature`).
 */
import { Message, config } from "@sandpiper/module";

@input("input")
export function onMessage(message: Message): void {
  const found = message.json().path(config.string("property", "machine.temperature"));
  const value = found === null ? NaN : found.asNumber();
  if (value > config.number("threshold", 25)) message.copyTo("output").property("MessageType", "alert");
}
