/**
 * Which stream it was, and how little of it is enough: suspects are sent again one by one, to a hub that is made anew
 * after each that fails; then pieces are left out of the culprit, and bytes of pieces, as long as it still fails.
 */
import { Sender } from "./sender.ts";
import type { Piece, Stream } from "./stream.ts";
import { Target } from "./target.ts";

const TRIALS_MAX = 120;
/** What a stream has done is seen so much later at most, ms. */
const AFTERMATH_MS = 150;

/** What is enough to have it again, and what was wrong then; `null` when no suspect does it alone. */
export async function culpritOf(
  seed: number,
  suspects: readonly Stream[],
  dist?: URL,
): Promise<{ readonly stream: Stream; readonly breaches: readonly string[] } | null> {
  await using trials = new Trials(seed, dist);
  // What was under way last is what it most likely was.
  for (const stream of suspects.toReversed()) {
    if ((await trials.breachesOf([stream])).length === 0) continue;
    const smallest = await smaller(
      stream,
      async (candidate) => (await trials.breachesOf([candidate])).length > 0,
    );
    const breaches = await trials.breachesOf([smallest]);
    return breaches.length === 0
      ? { stream, breaches: await trials.breachesOf([stream]) }
      : { stream: smallest, breaches };
  }
  return null;
}

/** Hubs that streams are tried on. */
export class Trials implements AsyncDisposable {
  readonly #seed: number;
  readonly #dist: URL | undefined;
  #target: Target | null = null;
  #left = TRIALS_MAX;

  constructor(seed: number, dist?: URL) {
    this.#seed = seed;
    this.#dist = dist;
  }

  /** What is wrong when these have been sent one after the other; nothing when there are no trials left. */
  async breachesOf(streams: readonly Stream[]): Promise<readonly string[]> {
    if (this.#left-- <= 0) return [];
    const target = (this.#target ??= await Target.start(this.#seed, this.#dist));
    const faults: string[] = [];
    {
      using sender = new Sender(target.ports);
      for (const stream of streams) {
        const { fault } = await sender.say(stream);
        if (fault !== null) faults.push(fault);
      }
      await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS));
      faults.push(...(await target.pulse()));
    }
    if (faults.length > 0) await this.#renew();
    return faults;
  }

  async #renew(): Promise<void> {
    await this.#target?.[Symbol.asyncDispose]();
    this.#target = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#renew();
  }
}

/** The stream with as much left out as `fails` allows: pieces from the last, then halves of what is left of each. */
export async function smaller(
  stream: Stream,
  fails: (candidate: Stream) => Promise<boolean>,
): Promise<Stream> {
  let best = stream;
  const attempt = async (candidate: Stream): Promise<boolean> => {
    const isEnough = await fails(candidate);
    if (isEnough) best = candidate;
    return isEnough;
  };
  await attempt({ ...best, cut: "pieces", farewell: "close" });
  for (let i = best.pieces.length - 1; i >= 0 && best.pieces.length > 1; i--) {
    await attempt({ ...best, pieces: best.pieces.filter((_, at) => at !== i) });
  }
  for (let i = best.pieces.length - 1; i >= 0; i--) {
    for (;;) {
      const { bytes } = best.pieces[i]!;
      const half = bytes.subarray(0, bytes.length >> 1);
      if (half.length === 0 || !(await attempt({ ...best, pieces: withBytes(best.pieces, i, half) }))) break;
    }
  }
  return best;
}

const withBytes = (pieces: readonly Piece[], at: number, bytes: Buffer): Piece[] =>
  pieces.map((each, i) => (i === at ? { ...each, bytes } : each));
