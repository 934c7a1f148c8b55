/** A reader of the event log, which follows it while the gateway lives, and reads all of it at the end. */
import type { EventRecord, Hub, LetterPlace } from "../../hub/face.ts";
import type { DeadMessage, LoggedEvent } from "./history.ts";
import { placeOf } from "./message.ts";

const PAGE = 1_000;
/** How long it waits for something new, ms. */
const WAIT_MS = 50;

export class Observer {
  /** Offset to uid, as first seen. */
  readonly observed = new Map<number, string>();
  #next = 0;

  /** Follows the log until the gateway is gone. */
  async follow(hub: Hub): Promise<void> {
    try {
      for (;;) {
        const { events, next } = await hub.readEvents({ from: this.#next, limit: PAGE, waitMs: WAIT_MS });
        for (const { offset, uid } of events) this.observed.set(offset, uid);
        this.#next = next;
      }
    } catch {
      // It was killed: what it answered before counts.
    }
  }
}

export async function wholeLog(hub: Hub): Promise<LoggedEvent[]> {
  const log: LoggedEvent[] = [];
  for (let next = 0; ;) {
    const page = await hub.readEvents({ from: next, limit: PAGE, waitMs: 0 });
    if (page.events.length === 0) return log;
    log.push(...page.events.map(logged));
    next = page.next;
  }
}

function logged({ offset, uid, moduleId, output, body: bytes }: EventRecord): LoggedEvent {
  const body = Buffer.from(bytes).toString();
  const from = moduleId === null ? null : `${moduleId}/${output ?? ""}`;
  return { ...placeOf(body), offset, uid, output: from, body };
}

/** All dead letters of all endpoints. */
export async function wholeGraveyard(hub: Hub): Promise<DeadMessage[]> {
  const dead: DeadMessage[] = [];
  for (let from: LetterPlace | undefined; ;) {
    const { letters, next } = await hub.deadLetters({ from, limit: PAGE });
    for (const { endpoint, message } of letters) {
      dead.push({ ...placeOf(Buffer.from(message.body).toString()), uid: message.uid, endpoint });
    }
    if (next === null) return dead;
    from = next;
  }
}

/** A module's counters, by device. */
export async function countersOf(hub: Hub, module: string): Promise<Map<string, number>> {
  const rows = await hub.keyValues(module);
  return new Map(
    rows.map(([key, value]) => [Buffer.from(key).toString(), Number(Buffer.from(value).readBigInt64LE(0))]),
  );
}
