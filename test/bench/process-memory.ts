/** Memory of a process as the kernel counts it. */
import { readFileSync } from "node:fs";

export interface Memory {
  readonly rssBytes: number;
  /** Without file pages, which other processes share: what the process itself costs. */
  readonly anonymousBytes: number;
}

const KILOBYTE = 1024;

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return { rssBytes: kilobytes("VmRSS") * KILOBYTE, anonymousBytes: kilobytes("RssAnon") * KILOBYTE };
}
