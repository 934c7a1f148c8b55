/** What the fault scenarios share: how they are run, what they say, and a plain pair of device and event log. */
import type { KeyedIdentity, StoreConfig } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";

export interface ScenarioOptions {
  /** A folder of its own, empty; whoever gives it removes it. */
  readonly folder: string;
  /** How long it goes on, ms. */
  readonly durationMs: number;
  readonly below: (n: number) => number;
  readonly store?: Partial<StoreConfig>;
}

export interface ScenarioResult {
  /** Breaches in words; none when every promise was kept. */
  readonly breaches: readonly string[];
  /** What was done and seen, in one line. */
  readonly line: string;
}

export type Scenario = (options: ScenarioOptions) => Promise<ScenarioResult>;

const BODY_BYTES = 300;

export const device = (deviceId: string): KeyedIdentity => ({ deviceId, ...newKeys(), enabled: true });
export const numbered = (sequence: number): string => `${sequence}:`.padEnd(BODY_BYTES, "x");
export const numberOf = (body: string): number => Number(body.slice(0, body.indexOf(":")));

/** The numbers in the event log, in its order. */
export async function loggedNumbers({ hub }: HubChild): Promise<number[]> {
  const found: number[] = [];
  for (let next = 0; ;) {
    const page = await hub.readEvents({ from: next, limit: 1_000, waitMs: 0 });
    if (page.events.length === 0) return found;
    found.push(...page.events.map(({ body }) => numberOf(Buffer.from(body).toString())));
    next = page.next;
  }
}

/** Waits until nothing is in flight any more; new messages are not begun meanwhile. */
export async function settled(publisher: WindowPublisher): Promise<void> {
  const { window } = publisher;
  publisher.window = 0;
  await until("everything acknowledged", () => publisher.inFlight === 0, 60_000);
  publisher.window = window;
}

/** Breaches of a log of numbers that a publisher saw acknowledged up to a point. */
export function judgeNumbers(acked: readonly number[], logged: readonly number[]): string[] {
  const there = new Set(logged);
  const lost = acked.filter((sequence) => !there.has(sequence));
  const firsts = [...there];
  const step = firsts.findIndex((sequence, i) => i > 0 && sequence < firsts[i - 1]!);
  return [
    ...(lost.length > 0 ? [`J1: ${lost.length} acknowledged and lost, such as ${lost[0]}`] : []),
    ...(step >= 0 ? [`J3: ${firsts[step]} first seen after ${firsts[step - 1]}`] : []),
  ];
}
