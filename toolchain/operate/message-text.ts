/**
 * Messages for people: one line each. Bodies and properties are strangers' bytes, so whatever could steer a
 * terminal or break a line is written out.
 */
import type { DeadLetterView, EventView } from "../../host/index.ts";

/** Control characters, line separators, and the marks that change the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

export const printable = (text: string): string =>
  text.replaceAll(UNPRINTABLE, (character) =>
    character === "\n" ? "\\n" : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The body as text, or null when it is none. */
export function bodyText(base64: string): string | null {
  try {
    return utf8.decode(Buffer.from(base64, "base64"));
  } catch {
    return null;
  }
}

/** At most `charactersMax` of the body; what is not text is shown by its first bytes. */
export function formatBody(base64: string, charactersMax: number): string {
  const text = bodyText(base64);
  if (text !== null) return clip(printable(text), charactersMax);
  const bytes = Buffer.from(base64, "base64");
  return `(${bytes.length} bytes) ${clip(bytes.toString("hex"), charactersMax)}`;
}

const clip = (text: string, charactersMax: number): string =>
  text.length <= charactersMax ? text : `${text.slice(0, charactersMax)}...`;

/** `gw/filter alerts`, or the device alone. */
export function formatSource({ deviceId, moduleId, output }: EventView): string {
  const identity = moduleId === null ? deviceId : `${deviceId}/${moduleId}`;
  return output === null ? identity : `${identity} ${output}`;
}

/** `2026-01-01T12:00:00.000Z gw/filter alerts level=high {"celsius":41}` */
export function formatEvent(event: EventView, charactersMax: number): string {
  const properties = event.properties.map(({ name, value }) => ` ${printable(`${name}=${value ?? ""}`)}`);
  const body = formatBody(event.bodyBase64, charactersMax);
  return `${event.enqueuedTime} ${printable(formatSource(event))}${properties.join("")} ${body}`;
}

/** What killed the message, the message, and the guest's stack, indented below. */
export function formatDeadLetter(letter: DeadLetterView, charactersMax: number): string {
  const { endpoint, offset, reason, diedAt, fault, text, message } = letter;
  const why = [reason, fault && `${fault.kind}: ${fault.message}`, text].filter((part) => part).join(", ");
  return [
    `${diedAt} ${endpoint} #${offset} ${printable(why)}`,
    `  ${formatEvent(message, charactersMax)}`,
    ...stackLines(letter).map((line) => `    ${printable(line)}`),
  ].join("\n");
}

/** All of a letter: a line for each thing that is known, then its stack, then its body. */
export function formatLetterInFull(letter: DeadLetterView, charactersMax: number): string {
  const { endpoint, offset, reason, diedAt, fault, text, digest, priority, attempt, message } = letter;
  const rows: (readonly [title: string, value: string | number | null | undefined])[] = [
    ["letter", `${endpoint} #${offset}`],
    ["died", diedAt],
    ["reason", reason],
    ["fault", fault && `${fault.kind}: ${fault.message}`],
    ["said", text],
    ["module", digest],
    ["attempts", attempt === null ? null : attempt + 1],
    ["priority", priority],
    ["source", formatSource(message)],
    ["enqueued", message.enqueuedTime],
    ["uid", message.uid],
    ...message.systemProperties.map(({ name, value }) => ["system", `${name}=${value ?? ""}`] as const),
    ...message.properties.map(({ name, value }) => ["property", `${name}=${value ?? ""}`] as const),
    ...stackLines(letter).map((line) => ["stack", line] as const),
    ["body", formatBody(message.bodyBase64, charactersMax)],
  ];
  return rows
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([title, value]) => printable(`${title.padEnd(TITLE_CHARACTERS)}${value}`))
    .join("\n");
}

const TITLE_CHARACTERS = 10;

const stackLines = ({ fault }: DeadLetterView): string[] =>
  (fault?.stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** For `--json`: the body as text when it is text, and properties as an object would be read. */
export function toJsonEvent(event: EventView) {
  const { bodyBase64, systemProperties, properties, ...rest } = event;
  const text = bodyText(bodyBase64);
  return {
    ...rest,
    systemProperties: pairs(systemProperties),
    properties: pairs(properties),
    body: text ?? bodyBase64,
    bodyEncoding: text === null ? "base64" : "utf8",
  };
}

/** The last of several with one name wins, as in a property bag; no name is special. */
function pairs(properties: EventView["properties"]): Record<string, string | null> {
  const entries = properties.map(({ name, value }) => [name, value] as const);
  return Object.fromEntries(entries);
}
