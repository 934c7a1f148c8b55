/** A log that keeps what it is told, for tests that ask. */
import type { Log } from "../../host/supervisor/log.ts";

export interface Kept {
  readonly level: keyof Log;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export function keptLog(): Log & { readonly kept: Kept[] } {
  const kept: Kept[] = [];
  const at = (level: keyof Log) => (fields: Kept["fields"], message: string) =>
    void kept.push({ level, fields, message });
  return { kept, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
