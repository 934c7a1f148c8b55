/** Memory of a process as the kernel counts it. */
import { readFileSync } from "node:fs";

export interface Memory {
  readonly rssBytes: number;
  /** Without file pages, which other processes share: what the process itself costs. */
  readonly anonymousBytes: number;
  /** Of it, what modules have touched of their linear memories. */
  readonly linearBytes: number;
}

const KILOBYTE = 1024;

function statusBytes(pid: number, name: "VmRSS" | "RssAnon"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * KILOBYTE;
}

/** Cheap enough to ask for while something is measured. */
export const anonymousBytesOf = (pid: number): number => statusBytes(pid, "RssAnon");

export function memoryOf(pid: number): Memory {
  return {
    rssBytes: statusBytes(pid, "VmRSS"),
    anonymousBytes: statusBytes(pid, "RssAnon"),
    linearBytes: touchedLinearBytes(readFileSync(`/proc/${pid}/smaps`, "utf8")),
  };
}

/** What 32 bits address: behind the used part of a linear memory V8 reserves at least so much, and nothing else does. */
const RESERVED_BYTES_MIN = 4 * 1024 ** 3;
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) .*\n(?:\w+:.*\n)*?Rss:\s+(\d+) kB/gm;

/** `smaps`: text of /proc/PID/smaps. Counts pages that are resident, not what a module may use. */
export function touchedLinearBytes(smaps: string): number {
  const mappings = [...smaps.matchAll(MAPPING)].map(([, start, end, access, rss]) => ({
    start: Number.parseInt(start!, 16),
    end: Number.parseInt(end!, 16),
    access: access!,
    residentBytes: Number(rss) * KILOBYTE,
  }));
  const isLinear = ({ end, access }: (typeof mappings)[number], index: number): boolean => {
    const next = mappings[index + 1];
    const isReservation = next?.access.startsWith("---") && next.end - next.start > RESERVED_BYTES_MIN;
    return access.startsWith("rw") && isReservation === true && next!.start === end;
  };
  return mappings.filter(isLinear).reduce((sum, { residentBytes }) => sum + residentBytes, 0);
}
