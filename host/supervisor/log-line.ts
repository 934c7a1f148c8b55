/**
 * One line of a module's log: `2026-01-01T00:00:00.000Z info  text`. The text is the guest's, so whatever could
 * break a line, steer a terminal or reverse what is read is written out as an escape.
 */

export const MODULE_LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type ModuleLogLevel = (typeof MODULE_LOG_LEVELS)[number];

/** Longest text of a line, characters before escaping. */
export const LINE_CHARACTERS_MAX = 4096;

/** Control characters, line and paragraph separators, and the marks that change reading direction. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escapeOne = (character: string): string =>
  SHORT[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`;

export const escapeText = (text: string): string => text.replaceAll(UNPRINTABLE, escapeOne);

/** Without the line end. */
export function formatLine(atMs: number, level: ModuleLogLevel, text: string): string {
  const cut = text.length > LINE_CHARACTERS_MAX ? `${text.slice(0, LINE_CHARACTERS_MAX)}...` : text;
  return `${new Date(atMs).toISOString()} ${level.padEnd(5)} ${escapeText(cut)}`;
}
