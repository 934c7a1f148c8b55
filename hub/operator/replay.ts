/**
 * Replay: dead letters go back into the queue they came from. Each is one step (J2, J8): appended there and taken
 * out of its log, so that a crash at any time leaves it in exactly one of the two. It keeps its uid, source, hops
 * and time (J30); its time to live begins anew, by the route in force.
 */
import { Block, ENTRY, entryTotal, frameSource, frameTotal } from "../../abi/index.ts";
import { DEVICEBOUND_PREFIX, type Endpoint } from "../endpoints/endpoint.ts";
import { reasonOf, withoutReason } from "../endpoints/letter.ts";
import type { Engine } from "../engine.ts";
import type { Replayed, ReplayRefusal } from "../face.ts";
import type { Lane } from "../journal/lane.ts";
import { FrameMessage } from "../router/frame-message.ts";
import { choose, type ActiveRoute } from "../router/router.ts";
import { messagePath } from "../router/source.ts";

/** Letters that are replayed in one turn: others get theirs between. */
const LETTERS_PER_TURN_MAX = 64;
/** How long one wait for the disk may take before the journal is asked again, ms. */
const CONGESTED_WAIT_MS = 1_000;

interface Letter {
  readonly offset: number;
  /** A copy, from its frame on. */
  readonly block: Block;
}

const flyweight = new FrameMessage();

/**
 * Replays the durable letters of a log at `[from, until)`. Those that cannot go back stay where they are. What
 * dies again meanwhile lies behind `until`, and is not taken up a second time.
 */
export async function replay(
  engine: Engine,
  endpoint: string,
  lane: Lane,
  range: { readonly from: number; readonly until: number },
): Promise<Replayed> {
  let replayed = 0;
  const refusals: Partial<Record<ReplayRefusal, number>> = {};
  for (let { from } = range; from < range.until && !lane.deleted;) {
    const { entries, next } = engine.deadLetters.read(lane, from, LETTERS_PER_TURN_MAX, copyOf);
    if (next === from) break;
    from = next;
    for (const letter of entries) {
      if (letter.offset >= range.until) break;
      const refusal = replayOne(engine, endpoint, lane, letter);
      if (refusal === null) replayed++;
      else refusals[refusal] = (refusals[refusal] ?? 0) + 1;
    }
    await otherTurns(engine);
  }
  await engine.journal.durable();
  const refused = Object.values(refusals).reduce((sum, count) => sum + count, 0);
  return { replayed, refused, refusals };
}

function copyOf(block: Block, at: number, offset: number): Letter {
  const length = entryTotal(block, at) - ENTRY.SIZE;
  const copy = Block.allocate(length);
  block.u8.copy(copy.u8, 0, at + ENTRY.SIZE, at + ENTRY.SIZE + length);
  return { offset, block: copy };
}

/** One letter, as one step. Returns why it must stay, or `null`. */
function replayOne(engine: Engine, name: string, log: Lane, letter: Letter): ReplayRefusal | null {
  if (name.startsWith(DEVICEBOUND_PREFIX)) return "reported";
  const endpoint = engine.endpoints.find(name);
  const routes = endpoint === undefined ? [] : engine.routesTo(endpoint);
  if (endpoint === undefined || routes.length === 0) return "no_route";
  if (endpoint.isFull) return "queue_full";
  if (engine.isStoreFull) return "store_full";
  const { priority, timeToLiveMs } = wayBack(engine, endpoint, routes, letter.block);
  const frame = withoutReason(letter.block, 0);
  engine.stepped();
  if (!engine.deadLetters.remove(log, letter.offset)) return "gone";
  const lane = endpoint.lane(priority);
  lane.appendFrame(frame, 0, frameTotal(frame, 0), {
    port: 0,
    deadline: engine.poweredNow + timeToLiveMs,
  });
  lane.pin(); // the group that takes it out of its log must hold it (J9)
  engine.journal.touch(lane);
  engine.journal.step();
  return null;
}

/** The route that the message would take today, else the endpoint's most urgent; but the priority it had. */
function wayBack(
  engine: Engine,
  endpoint: Endpoint,
  routes: readonly ActiveRoute[],
  letter: Block,
): { readonly priority: number; readonly timeToLiveMs: number } {
  const origin = engine.sources.origin(frameSource(letter, 0));
  const target = engine.targets(messagePath(origin)).find((found) => found.endpoint === endpoint);
  const option =
    target === undefined ? null : choose(target, flyweight.at(letter, 0, origin), engine.metrics);
  return {
    priority: reasonOf(letter, 0)?.priority ?? option?.lane.priority ?? routes[0]!.priority,
    timeToLiveMs: option?.timeToLiveMs ?? routes[0]!.timeToLiveMs,
  };
}

async function otherTurns(engine: Engine): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  while (engine.journal.isCongested && engine.journal.state !== "failed") {
    await engine.nextDurable(CONGESTED_WAIT_MS);
  }
}
