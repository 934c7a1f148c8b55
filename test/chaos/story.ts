/** A breach told: the rule, and everything that befell the one message that shows it. */
import type { Breach } from "./checker.ts";
import type { History } from "./history.ts";
import type { Place } from "./message.ts";

/** Lines for a person who has to find the cause. */
export function storyOf(breach: Breach, history: History): string[] {
  const { example } = breach;
  return [lineOf(breach), ...(example === null ? [] : biographyOf(example, history))];
}

export function lineOf({ rule, what, count, example }: Breach): string {
  const which = example === null ? "" : `, such as ${example.device}:${example.sequence}`;
  return `${rule} ${what}: ${count}${which}`;
}

function biographyOf(place: Place, history: History): string[] {
  const isIt = ({ device, sequence }: Place): boolean =>
    device === place.device && sequence === place.sequence;
  const sent = history.devices.find(({ id }) => id === place.device)?.messages[place.sequence];
  const lines: string[] = [];
  if (sent !== undefined) {
    const { path, urgency, isPoison, bytes } = sent.message;
    lines.push(`path ${path}, urgency ${urgency}${isPoison ? ", poison" : ""}, ${bytes} bytes`);
    lines.push(`sent in rounds ${sent.sentIn.join(" ")}, acknowledged in ${sent.ackedIn ?? "none"}`);
  }
  for (const { offset, uid, output } of history.log.filter(isIt)) {
    lines.push(`log ${offset}: from ${output ?? "the device"}, uid ${uid}`);
  }
  for (const { round, isRepeat, isDone } of history.consumer.deliveries.filter(isIt)) {
    const flag = isRepeat ? ", flagged as a repeat" : "";
    lines.push(`delivered in round ${round}${flag}, ${isDone ? "dealt with" : "not dealt with"}`);
  }
  for (const { endpoint, uid } of history.deadLetters.filter(isIt))
    lines.push(`dead at ${endpoint}, uid ${uid}`);
  return lines.map((line) => `  ${line}`);
}
