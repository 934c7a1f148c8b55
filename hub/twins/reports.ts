/**
 * Reports of a module that came with one result, as one change of its reported properties: in their order, each
 * judged by itself, since the author of one wrote nothing of the others. Pure.
 */
import { REPORT_BYTES_MAX } from "../../abi/index.ts";
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
  let twin = before;
  for (const report of reports) {
    try {
      twin = patchTwin(twin, "reported", parse(report), now);
    } catch (error) {
      refusals.push((error as Error).message);
    }
  }
  if (twin === before) return { twin, refusals };
  // One change, however many reports it is made of.
  const reported = { ...twin.reported, version: before.reported.version + 1 };
  return { twin: { ...twin, reported, version: before.version + 1 }, refusals };
}

function parse(report: Buffer): unknown {
  if (report.length > REPORT_BYTES_MAX) {
    throw new Error(`twin: a report of ${report.length} bytes, more than ${REPORT_BYTES_MAX}`);
  }
  try {
    return JSON.parse(report.toString());
  } catch {
    throw new Error("twin: a report that is not JSON");
  }
}
