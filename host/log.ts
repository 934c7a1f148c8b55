/**
 * The log of the gateway process: fields first, then a constant fragment. Whoever handles an error logs it;
 * bodies, keys and tokens are never fields. What modules say goes to their own logs, not here.
 */
import type { Log } from "./supervisor/log.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Parameters<Log["info"]>[0];
export type { Log };

/** One line per event: time, level, message, `key=value`. `write` gets the line without its end. */
export function createLineLog(
  write: (line: string) => void,
  options: { readonly level: LogLevel; readonly clock: () => number },
): Log {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const at = (level: LogLevel) => {
    if (LOG_LEVELS.indexOf(level) < threshold) return () => {};
    return (fields: LogFields, message: string) =>
      write(
        `${new Date(options.clock()).toISOString()} ${level.padEnd(5)} ${message}${formatFields(fields)}`,
      );
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${formatValue(value)}`)
    .join("");
}

/** Bare when it reads unambiguously; otherwise JSON, which also keeps a stranger's line breaks out. */
function formatValue(value: unknown): string {
  const text = value instanceof Error ? value.message : value;
  return typeof text === "string" && /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}
