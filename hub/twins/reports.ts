/**
 * Reports of a module that came with one result, as one change of its reported properties: in their order, each
 * judged by itself, since the author of one wrote nothing of the others. Pure.
 *
 * They are folded into one patch before the twin is looked at: a module may report with every message, and a twin
 * is as large as its module makes it, so its size must not count once for each report.
 */
import { REPORT_BYTES_MAX } from "../../abi/index.ts";
import { checkPatch, isObject, isOwnKey, type JsonObject, type JsonValue } from "./limits.ts";
import { patchTwin, type Twin } from "./twin.ts";

export interface Reported {
  /** The twin that was given when nothing was taken. */
  readonly twin: Twin;
  /** Why, for each that was refused. */
  readonly refusals: readonly string[];
}

/** @param reports JSON */
export function applyReports(before: Twin, reports: readonly Buffer[], now: string): Reported {
  const refusals: string[] = [];
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      refusals.push((error as Error).message);
    }
  };
  const clears = empty();
  const patch = empty();
  for (const report of reports) attempt(() => fold(clears, patch, parse(report)));
  let twin = before;
  attempt(() => {
    if (Object.keys(patch).length === 0) return;
    const cleared = patchTwin(before, "reported", clears, now);
    twin = patchTwin(cleared, "reported", patch, now);
  });
  if (twin === before) return { twin, refusals };
  // One change, whatever it is made of.
  const reported = { ...twin.reported, version: before.reported.version + 1 };
  return { twin: { ...twin, reported, version: before.version + 1 }, refusals };
}

/** A patch of ours, to be changed. */
type Draft = { [key: string]: JsonValue };
const empty = (): Draft => Object.create(null) as Draft;

/**
 * Makes `patch` say what it says and then `next`. An object after something else replaces that, where a patch would
 * merge it into what the twin has; so what must be gone first is noted in `clears`, a patch to be applied before.
 */
function fold(clears: Draft, patch: Draft, next: JsonObject): void {
  for (const [key, value] of Object.entries(next)) {
    const old = patch[key];
    if (isObject(value) && isObject(old)) {
      fold(below(clears, key), old as Draft, value);
      continue;
    }
    if (isObject(value) && old !== undefined) clears[key] = null;
    patch[key] = value;
  }
}

/** Where to note what must be gone of an object; nowhere if all of it must. */
function below(clears: Draft, key: string): Draft {
  if (clears[key] === null) return empty();
  return (clears[key] ??= empty()) as Draft;
}

/** @throws {TwinError} and others, whose message says what is wrong */
function parse(report: Buffer): Draft {
  if (report.length > REPORT_BYTES_MAX) {
    throw new Error(`twin: a report of ${report.length} bytes, more than ${REPORT_BYTES_MAX}`);
  }
  let patch: unknown;
  try {
    patch = JSON.parse(report.toString(), withoutPrototype);
  } catch {
    throw new Error("twin: a report that is not JSON");
  }
  checkPatch("reported", patch);
  return Object.assign(empty(), Object.fromEntries(Object.entries(patch).filter(([key]) => !isOwnKey(key))));
}

/** A key is a key, whoever chose it. */
const withoutPrototype = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.assign(Object.create(null) as object, value)
    : value;
