/**
 * The judge of the chaos runs. It sees what clients saw (`history.ts`) and knows what must become of each message
 * (`topology.ts`); of the gateway's inside it knows nothing.
 *
 * The event log holds each message as its device sent it, in the same step as everything else that becomes of it.
 * So it says what the gateway has taken, duplicates that devices sent again included, and all else is compared
 * with it, one for one.
 */
import type { Delivery, DeviceHistory, History, LoggedEvent, SentMessage } from "./history.ts";
import { bodyOf, keyOf, type ChaosMessage, type Place } from "./message.ts";
import { MODULES, outcomeOf, PICKY, REBUILT, SINK, WAYS } from "./topology.ts";

/** `lost`: less than was promised came of something; `doubled`: more; `other`: whatever else breaks a rule. */
export type BreachKind = "lost" | "doubled" | "other";

export interface Breach {
  readonly rule: string;
  readonly kind: BreachKind;
  readonly what: string;
  /** How many messages. */
  readonly count: number;
  /** The first message that shows it; null when it is no message's. */
  readonly example: Place | null;
}

/** What devices sent, and what the log says the gateway took of it. */
class Ledger {
  readonly history: History;
  readonly #sent: ReadonlyMap<string, readonly SentMessage[]>;
  /** What devices sent, as it was taken. */
  readonly taken: readonly LoggedEvent[];
  /** Times each message was taken. */
  readonly times: ReadonlyMap<string, number>;

  constructor(history: History) {
    this.history = history;
    this.#sent = new Map(history.devices.map(({ id, messages }) => [id, messages]));
    this.taken = history.log.filter(({ output }) => output === null);
    this.times = timesEach(this.taken);
  }

  sent({ device, sequence }: Place): SentMessage | undefined {
    return this.#sent.get(device)?.[sequence];
  }

  timesOf(place: Place): number {
    return this.times.get(keyOf(place)) ?? 0;
  }

  /** Everything taken that must have come to `isMeant`, as often as it was taken. */
  takenFor(isMeant: (message: ChaosMessage) => boolean): LoggedEvent[] {
    return this.taken.filter((event) => {
      const sent = this.sent(event);
      return sent !== undefined && isMeant(sent.message);
    });
  }
}

/** How often each message occurs. */
function timesEach(places: readonly Place[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const place of places) times.set(keyOf(place), (times.get(keyOf(place)) ?? 0) + 1);
  return times;
}

/** Every breach of a rule; none when the rules held. */
export function breaches(history: History): Breach[] {
  // A gateway that did not come to its end is at fault, and has nothing to compare with.
  if (history.redelivered === null) return judgeFaults(history);
  const ledger = new Ledger(history);
  return [
    ...judgeFaults(history),
    ...history.devices.flatMap((device) => judgeDevice(device, ledger)),
    ...judgeLog(ledger),
    ...[...new Set(Object.values(WAYS).flatMap(({ logged }) => logged))].flatMap((output) =>
      judgeOutput(output, ledger),
    ),
    ...judgeDeadLetters(ledger),
    ...MODULES.flatMap((module) => judgeCounters(module, ledger)),
    ...judgeDeliveries(ledger),
  ];
}

function judgeFaults({ devices, consumer, faults }: History): Breach[] {
  const other = (rule: string, round: number, what: string): Breach => {
    return { rule, kind: "other", what: `round ${round}: ${what}`, count: 1, example: null };
  };
  return [
    ...faults.map(({ round, what }) => other("J8", round, what)),
    ...devices.flatMap(({ id, faults: own }) =>
      own.map(({ round, what }) => other("J24", round, `${id}: ${what}`)),
    ),
    ...consumer.faults.map(({ round, what }) => other("J24", round, what)),
  ];
}

function judgeDevice({ id, messages, acked, inFlightAtCuts }: DeviceHistory, ledger: Ledger): Breach[] {
  const found: Breach[] = [];
  const places = acked.map((sequence) => ({ device: id, sequence }));
  report(found, "J1", "lost", `${id}: acknowledged and not in the log`, (add) => {
    for (const place of places) if (ledger.timesOf(place) === 0) add(place);
  });
  report(found, "J2", "doubled", `${id}: in the log more often than sent`, (add) => {
    for (const { message, sentIn } of messages) if (ledger.timesOf(message) > sentIn.length) add(message);
  });
  const own = ledger.taken.filter(({ device }) => device === id);
  const again = own.length - new Set(own.map(({ sequence }) => sequence)).size;
  if (again > inFlightAtCuts) {
    const what = `${id}: ${again} in the log again, ${inFlightAtCuts} were in flight`;
    found.push({ rule: "J2", kind: "doubled", what, count: again - inFlightAtCuts, example: null });
  }
  judgeOrder(found, `${id} in the log`, own);
  return found;
}

function judgeLog(ledger: Ledger): Breach[] {
  const { log, observed } = ledger.history;
  const found: Breach[] = [];
  report(found, "J4", "other", "an offset of the log that does not rise", (add) => {
    for (let i = 1; i < log.length; i++) if (log[i]!.offset <= log[i - 1]!.offset) add(log[i]!);
  });
  const uids = new Map(log.map(({ offset, uid }) => [offset, uid]));
  report(found, "J1", "lost", "read from the log, and gone or another later", (add) => {
    for (const [offset, uid] of observed) if (uids.get(offset) !== uid) add(null);
  });
  report(found, "J30", "doubled", "a uid that is not unique in the log", (add) => {
    for (const event of repeated(log, ({ uid, output }) => `${uid} ${output ?? ""}`)) add(event);
  });
  report(found, "J2", "other", "a body in the log that nobody sent so", (add) => {
    for (const event of log) if (!isGenuine(event, ledger)) add(event);
  });
  return found;
}

/** Whether an event's body is what its device sent, or a module made of it. */
function isGenuine(event: LoggedEvent, ledger: Ledger): boolean {
  if (event.output?.startsWith(`${SINK}/`) === true) return true;
  const sent = ledger.sent(event);
  if (sent === undefined) return false;
  const body = event.output === REBUILT ? event.body.slice(0, event.body.lastIndexOf("#")) : event.body;
  return body === bodyOf(sent.message);
}

/** What a module sent to the log, against what it got: each once, in order. */
function judgeOutput(output: string, ledger: Ledger): Breach[] {
  const found: Breach[] = [];
  const made = ledger.history.log.filter((event) => event.output === output);
  const meant = ledger.takenFor((message) => outcomeOf(message).logged.includes(output));
  // What is passed on keeps its uid; what is made anew is told apart by how often it was made.
  const nameOf = output === REBUILT ? keyOf : ({ uid }: LoggedEvent): string => uid;
  compare(found, output, meant.map(named(nameOf)), made.map(named(nameOf)));
  for (const group of lanesOf(made, ledger).values()) judgeOrder(found, output, group);
  if (output === REBUILT) judgeCounts(found, made);
  return found;
}

/** The counter in each body: one more for each message of the device, with no hole and none twice. */
function judgeCounts(found: Breach[], made: readonly LoggedEvent[]): void {
  const last = new Map<string, number>();
  report(found, "J2", "other", `${REBUILT}: a counter that does not follow on the one before`, (add) => {
    for (const event of made) {
      const count = Number(event.body.slice(event.body.lastIndexOf("#") + 1));
      if (count !== (last.get(event.device) ?? 0) + 1) add(event);
      last.set(event.device, count);
    }
  });
}

function judgeDeadLetters(ledger: Ledger): Breach[] {
  const found: Breach[] = [];
  const uid = named(({ uid: own }: { readonly uid: string } & Place) => own);
  const meant = ledger.takenFor(({ isPoison }) => isPoison).map(uid);
  compare(found, `dead letters of ${PICKY}`, meant, ledger.history.deadLetters.map(uid));
  return found;
}

function judgeCounters(module: string, ledger: Ledger): Breach[] {
  const found: Breach[] = [];
  const counted = ledger.history.counters.get(module) ?? new Map<string, number>();
  const meant = ledger.takenFor((message) => outcomeOf(message).counted.includes(module));
  for (const { id } of ledger.history.devices) {
    const expected = meant.filter(({ device }) => device === id).length;
    const count = counted.get(id) ?? 0;
    if (count === expected) continue;
    const what = `${module} counted ${count} of ${id}, of ${expected} that it got`;
    const kind = count < expected ? "lost" : "doubled";
    found.push({ rule: "J2", kind, what, count: Math.abs(count - expected), example: null });
  }
  return found;
}

/** The network consumer: everything that was meant for it, and again only what it had not settled for good. */
function judgeDeliveries(ledger: Ledger): Breach[] {
  const found: Breach[] = [];
  const { deliveries, unsettledAtCuts } = ledger.history.consumer;
  const received = timesEach(deliveries);
  const done = timesEach(deliveries.filter(({ isDone }) => isDone));
  report(found, "J1", "other", "delivered and not in the log", (add) => {
    for (const delivery of deliveries) if (ledger.timesOf(delivery) === 0) add(delivery);
  });
  report(found, "J2", "other", "delivered with a body that nobody sent so", (add) => {
    for (const delivery of deliveries) {
      const sent = ledger.sent(delivery);
      if (sent === undefined || delivery.body !== bodyOf(sent.message)) add(delivery);
    }
  });
  const meant = ledger.takenFor((message) => outcomeOf(message).isDelivered);
  report(found, "J25", "lost", "taken for the consumer and not delivered as often", (add) => {
    for (const event of new Map(meant.map((each) => [keyOf(each), each])).values()) {
      if ((done.get(keyOf(event)) ?? 0) < ledger.timesOf(event)) add(event);
    }
  });
  report(found, "J23", "doubled", "delivered again after it was settled for good", (add) => {
    for (const delivery of new Map(deliveries.map((each) => [keyOf(each), each])).values()) {
      const key = keyOf(delivery);
      const allowed = ledger.timesOf(delivery) + (unsettledAtCuts.get(key) ?? 0);
      if (received.get(key)! > allowed) add(delivery);
    }
  });
  for (const group of lanesOf<Delivery>(deliveries, ledger).values()) {
    judgeOrder(found, "the consumer", group);
  }
  judgeMarks(found, ledger);
  return found;
}

/**
 * Whether deliveries say truly that they are redeliveries. What was sent and not settled is saved without a flush,
 * so a kill may make the gateway forget it: only what one life of it says is held against it.
 */
function judgeMarks(found: Breach[], ledger: Ledger): void {
  const { consumer, lastRound, redelivered } = ledger.history;
  report(found, "J25", "other", "marked as a redelivery, and nobody can have had it before", (add) => {
    for (const delivery of consumer.deliveries) {
      const begun = ledger.sent(delivery)?.sentIn[0];
      if (delivery.isRepeat && delivery.connection === 0 && delivery.round === begun) add(delivery);
    }
  });
  report(found, "J25", "other", "delivered again in the same life, and not marked as a redelivery", (add) => {
    const last = new Map<string, number>();
    for (const delivery of consumer.deliveries) {
      const { round, isRepeat } = delivery;
      const key = keyOf(delivery);
      // Taken twice, the second may be a first delivery.
      if (last.get(key) === round && !isRepeat && ledger.timesOf(delivery) === 1) add(delivery);
      last.set(key, round);
    }
  });
  const marked = consumer.deliveries.filter(({ round, isRepeat }) => isRepeat && round === lastRound).length;
  if (redelivered === null || marked === redelivered) return;
  const what = `${marked} marked as redeliveries in the last life, and the gateway counted ${redelivered}`;
  found.push({ rule: "J25", kind: "other", what, count: Math.abs(marked - redelivered), example: null });
}

/** What keeps its order among itself: one device's messages of one path and urgency. */
function lanesOf<T extends Place>(events: readonly T[], ledger: Ledger): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const event of events) {
    const message = ledger.sent(event)?.message;
    if (message === undefined) continue;
    const name = `${message.device} ${message.path} ${message.urgency}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [event]);
    else group.push(event);
  }
  return groups;
}

/** First appearances come in the order in which they were sent (J3). */
function judgeOrder(found: Breach[], where: string, places: readonly Place[]): void {
  report(found, "J3", "other", `${where}: first seen after a later one`, (add) => {
    const seen = new Set<number>();
    let last = -1;
    for (const place of places) {
      if (seen.has(place.sequence)) continue;
      seen.add(place.sequence);
      if (place.sequence < last) add(place);
      else last = place.sequence;
    }
  });
}

interface Named {
  readonly name: string;
  readonly place: Place;
}

const named =
  <T extends Place>(nameOf: (event: T) => string) =>
  (event: T): Named => ({ name: nameOf(event), place: event });

/** Two lists that must hold the same, as often (J2). */
function compare(found: Breach[], where: string, meant: readonly Named[], made: readonly Named[]): void {
  const balance = new Map<string, { place: Place; owed: number }>();
  const book = ({ name, place }: Named, by: number): void => {
    const entry = balance.get(name);
    if (entry === undefined) balance.set(name, { place, owed: by });
    else entry.owed += by;
  };
  for (const each of meant) book(each, 1);
  for (const each of made) book(each, -1);
  report(found, "J2", "lost", `${where}: taken, and no outcome`, (add) => {
    for (const { owed, place } of balance.values()) if (owed > 0) add(place);
  });
  report(found, "J2", "doubled", `${where}: an outcome too many`, (add) => {
    for (const { owed, place } of balance.values()) if (owed < 0) add(place);
  });
}

function* repeated<T>(items: readonly T[], nameOf: (item: T) => string): Generator<T> {
  const seen = new Set<string>();
  for (const item of items) {
    const name = nameOf(item);
    if (seen.has(name)) yield item;
    seen.add(name);
  }
}

/** One breach for all that `find` adds; none when it adds none. */
function report(
  found: Breach[],
  rule: string,
  kind: BreachKind,
  what: string,
  find: (add: (place: Place | null) => void) => void,
): void {
  const places: (Place | null)[] = [];
  find((place) => places.push(place));
  if (places.length === 0) return;
  const example = places.find((place) => place !== null) ?? null;
  found.push({ rule, kind, what, count: places.length, example });
}
