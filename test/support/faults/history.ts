/**
 * What clients saw of a hub that was killed again and again, and what the journal's rules say about it. The
 * judge knows nothing of the hub's inside: it compares what was sent, acknowledged, stored and delivered.
 */

/** One publisher's view. Messages are its sequence numbers, from 0. */
export interface PublisherHistory {
  readonly id: string;
  /** Times each was sent. */
  readonly sent: readonly number[];
  readonly acked: readonly number[];
  /** Acknowledgements that no server may send. */
  readonly faults: readonly string[];
  /** How many were in flight, summed over the kills. */
  readonly inFlightAtKills: number;
}

export interface Place {
  readonly publisher: string;
  readonly sequence: number;
}

export interface StoredEvent extends Place {
  readonly offset: number;
  readonly uid: string;
}

export interface History {
  readonly publishers: readonly PublisherHistory[];
  /** The event log, at the end. */
  readonly log: readonly StoredEvent[];
  /** What reached the consumer, in order, over all its connections. */
  readonly received: readonly Place[];
  /** What it had dealt with and acknowledged; what it lost before that does not count. */
  readonly processed: readonly Place[];
}

/** Every breach of a rule, in words; none when the rules held. */
export function breaches(history: History): string[] {
  return [...history.publishers.flatMap((publisher) => judge(publisher, history)), ...judgeLog(history)];
}

function judge({ id, sent, acked, faults, inFlightAtKills }: PublisherHistory, history: History): string[] {
  const own = ({ publisher }: Place): boolean => publisher === id;
  const stored = history.log.filter(own).map(({ sequence }) => sequence);
  const received = history.received.filter(own).map(({ sequence }) => sequence);
  const processed = new Set(history.processed.filter(own).map(({ sequence }) => sequence));
  const times = new Map<number, number>();
  for (const sequence of stored) times.set(sequence, (times.get(sequence) ?? 0) + 1);

  const found: string[] = faults.map((fault) => `J24 ${id}: ${fault}`);
  const lost = acked.filter((sequence) => !times.has(sequence));
  if (lost.length > 0) found.push(`J1 ${id}: acknowledged and not in the log: ${few(lost)}`);
  const undelivered = acked.filter((sequence) => !processed.has(sequence));
  if (undelivered.length > 0) found.push(`J25 ${id}: acknowledged and never delivered: ${few(undelivered)}`);
  const ghosts = received.filter((sequence) => !times.has(sequence));
  if (ghosts.length > 0) found.push(`J1 ${id}: delivered and not in the log: ${few(ghosts)}`);
  const tooOften = [...times].filter(([sequence, count]) => count > (sent[sequence] ?? 0));
  if (tooOften.length > 0) found.push(`J2 ${id}: in the log more often than sent: ${few(tooOften)}`);
  const twice = stored.length - times.size;
  if (twice > inFlightAtKills) {
    found.push(`J2 ${id}: ${twice} in the log again, ${inFlightAtKills} were in flight`);
  }
  const stepBack = outOfOrder(stored) ?? outOfOrder(received);
  if (stepBack !== null) found.push(`J3 ${id}: first appearance of ${stepBack}`);
  return found;
}

function judgeLog({ log }: History): string[] {
  const found: string[] = [];
  const back = log.findIndex(({ offset }, i) => i > 0 && offset <= log[i - 1]!.offset);
  if (back >= 0) found.push(`J4 log: offset ${log[back]!.offset} after ${log[back - 1]!.offset}`);
  const uids = new Set(log.map(({ uid }) => uid)).size;
  if (uids < log.length) found.push(`J30 log: ${log.length - uids} uids are not unique`);
  return found;
}

/** The first sequence number whose first appearance comes after that of a later one, or `null`. */
function outOfOrder(sequences: readonly number[]): string | null {
  const seen = new Set<number>();
  let last = -1;
  for (const sequence of sequences) {
    if (seen.has(sequence)) continue;
    seen.add(sequence);
    if (sequence < last) return `${sequence} comes after ${last}`;
    last = sequence;
  }
  return null;
}

const few = (items: readonly unknown[]): string =>
  items.slice(0, 5).join(" ") + (items.length > 5 ? ` and ${items.length - 5} more` : "");
