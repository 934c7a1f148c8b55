/**
 * Examines a store in a process of its own, because reading damaged pages may end the one that does. How that
 * process ended is part of the answer.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StoreReport } from "./examine.ts";
import { endsEarly, isEmptyFile } from "../journal/lmdb-file.ts";

export type { StoreReport } from "./examine.ts";

/** Examining takes a while on a slow disk; longer than this, it says nothing, ms. */
const EXAMINE_MS_MAX = 300_000;
const REPORT_BYTES_MAX = 64 * 1024;
const DATABASE_FILE = "journal.mdb";

/** `died`: of a signal, which for damaged pages is SIGSEGV, SIGBUS or SIGABRT. `unknown`: it came to no answer. */
export type StoreVerdict =
  | StoreReport
  | { readonly state: "died"; readonly signal: string }
  | { readonly state: "unknown"; readonly what: string };

/** Nothing else may have the store open. */
export async function checkStore(dir: string): Promise<StoreVerdict> {
  const child = spawn(process.execPath, [entry(), dir], { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), EXAMINE_MS_MAX);
  let out = "";
  let err = "";
  child.stdout
    .setEncoding("utf8")
    .on("data", (text: string) => (out = (out + text).slice(0, REPORT_BYTES_MAX)));
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (err = (err + text).slice(0, REPORT_BYTES_MAX)));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  if (signal !== null)
    return signal === "SIGKILL" ? { state: "unknown", what: signal } : { state: "died", signal };
  if (code !== 0) return { state: "unknown", what: err.slice(-500) };
  return JSON.parse(out) as StoreReport;
}

/** Whether a store's file has to be examined before it may be opened: it is shorter than it says. */
export const isStoreDoubtful = (dir: string): boolean => endsEarly(join(dir, DATABASE_FILE));

/** Whether there is nothing in a store's folder that a message could be in. */
export const isStoreEmpty = (dir: string): boolean => isEmptyFile(join(dir, DATABASE_FILE));

/** From source (tests), the process runs the build beside it. */
function entry(): string {
  const here = import.meta.url;
  return fileURLToPath(
    new URL(here.endsWith(".ts") ? "../../dist/hub/store/examiner.js" : "./examiner.js", here),
  );
}
