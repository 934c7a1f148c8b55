/**
 * The logs of all modules, one bounded set of files each, under `<dir>/<module>.log`. What a module says and
 * what happened to it stand in one place, in order: an operator reads one file.
 */
import { join } from "node:path";
import { systemClock, type Clock } from "./clock.ts";
import { unknownModule } from "./errors.ts";
import { LOG_FILE_DEFAULTS, LogFile, type LogFileSettings } from "./log-file.ts";
import { formatLine, type ModuleLogLevel } from "./log-line.ts";
import { isModuleName } from "./module-name.ts";
import type { Log } from "./log.ts";

export interface ModuleLogs {
  /** Never throws, never waits; a full disk loses lines, not modules. */
  write(name: string, level: ModuleLogLevel, text: string, atMs?: number): void;
  /** The last `lines` lines, oldest first. @throws {ModuleError} SP_MODULE_UNKNOWN for what is no name at all */
  tailLog(name: string, options: { readonly lines: number }): Promise<string[]>;
  /** The last `lines` (default 0) lines, then every further one, until `signal` aborts or the module is removed. */
  followLog(
    name: string,
    options: { readonly signal: AbortSignal; readonly lines?: number },
  ): AsyncGenerator<string>;
  flush(): Promise<void>;
  /** Deletes the log of a module that left the deployment. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface ModuleLogOptions {
  readonly dir: string;
  readonly log: Log;
  readonly clock?: Clock;
  readonly settings?: Partial<LogFileSettings>;
}

export function createModuleLogs(options: ModuleLogOptions): ModuleLogs {
  const clock = options.clock ?? systemClock;
  const settings = { ...LOG_FILE_DEFAULTS, ...options.settings };
  const files = new Map<string, LogFile>();

  function fileOf(name: string): LogFile {
    const known = files.get(name);
    if (known) return known;
    if (!isModuleName(name)) throw unknownModule(name);
    const file = new LogFile(join(options.dir, `${name}.log`), settings, (error) => {
      if (error) options.log.warn({ module: name, err: error.message }, "module log cannot be written");
      else options.log.info({ module: name }, "module log is written again");
    });
    files.set(name, file);
    return file;
  }

  const linesOf = (count: number | undefined): number => Math.max(0, Math.floor(count ?? 0));

  return {
    write: (name, level, text, atMs = clock.wallMs()) => fileOf(name).append(formatLine(atMs, level, text)),
    tailLog: async (name, { lines }) => fileOf(name).tail(linesOf(lines)),
    followLog: (name, { signal, lines }) => fileOf(name).follow(linesOf(lines), signal),
    flush: async () => void (await Promise.all([...files.values()].map((file) => file.flush()))),
    async remove(name) {
      await fileOf(name).remove();
      files.delete(name);
    },
    close: async () => void (await Promise.all([...files.values()].map((file) => file.close()))),
  };
}
