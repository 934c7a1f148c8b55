/** One run: streams on several connections at once, until the time is over or something is wrong. */
import { setTimeout as delay } from "node:timers/promises";
import { drawsOf } from "./draws.ts";
import { canaryFigures, Figures, shallows, type Outcome } from "./figures.ts";
import { streamOf } from "./generator.ts";
import { Sender, STAYING_MAX } from "./sender.ts";
import type { Stream } from "./stream.ts";
import { Target } from "./target.ts";

/** Connections that are being used at once. */
const SENDERS = 10;
/** How often the hub is looked at, ms. */
const WATCH_MS = 100;
/** How often the hub is asked to do something with the clients, ms. */
const POKE_MS = 60;
const PATIENCE = 10;
/** Runs that are as long begin with a crowd of strangers who hoard: it takes a while. */
const CROWD_MS_MIN = 30_000;
/** What went on last before something was wrong. */
const SUSPECTS_MAX = 64;
/** No stream of a run has such a number. */
const POKES_PART = -1;

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Goes on until as many streams were sent, for `PATIENCE` times as long at most: on a machine that is busy. */
  readonly streamsMin?: number;
  /** Another build than this one: a mutant. Ends in `/`. */
  readonly dist?: URL;
  readonly onProgress?: (outcome: Outcome) => void;
}

export interface FuzzResult extends Outcome {
  /** In words; none when all was well. */
  readonly breaches: readonly string[];
  /** What may have caused the first breach, the oldest first; what was under way comes last. */
  readonly suspects: readonly Stream[];
}

export async function runFuzz({
  seed,
  seconds,
  streamsMin = 0,
  dist,
  onProgress,
}: FuzzOptions): Promise<FuzzResult> {
  await using target = await Target.start(seed, dist);
  using sender = new Sender(target.ports);
  const run = new Run(seed, target, sender, { durationMs: seconds * 1000, streamsMin });
  const progress = setInterval(() => onProgress?.(run.outcome), 5_000);
  try {
    await run.toItsEnd();
  } finally {
    clearInterval(progress);
  }
  return run.result();
}

interface Length {
  readonly durationMs: number;
  readonly streamsMin: number;
}

class Run {
  readonly #seed: number;
  readonly #target: Target;
  readonly #sender: Sender;
  readonly #endMs: number;
  readonly #lastMs: number;
  readonly #streamsMin: number;
  readonly #crowd: number;
  readonly #figures = new Figures();
  readonly #underWay = new Map<number, Stream>();
  readonly #finished: Stream[] = [];
  #breaches: string[] = [];
  #suspects: readonly Stream[] = [];
  #next = 0;

  constructor(seed: number, target: Target, sender: Sender, { durationMs, streamsMin }: Length) {
    this.#seed = seed;
    this.#target = target;
    this.#sender = sender;
    this.#endMs = performance.now() + durationMs;
    this.#lastMs = performance.now() + PATIENCE * durationMs;
    this.#streamsMin = streamsMin;
    this.#crowd = durationMs >= CROWD_MS_MIN ? STAYING_MAX : 0;
  }

  get #isOver(): boolean {
    const end = this.#figures.streams < this.#streamsMin ? this.#lastMs : this.#endMs;
    return this.#breaches.length > 0 || performance.now() > end;
  }

  async toItsEnd(): Promise<void> {
    const senders = Array.from({ length: SENDERS }, () => this.#send());
    await Promise.all([this.#watch(), this.#poke(), ...senders]);
    if (this.#breaches.length === 0) this.#breach(await this.#target.settle());
    // That its own thread answers, and not only its sockets.
    if (this.#breaches.length === 0) await this.#target.child.hub.status();
  }

  async #send(): Promise<void> {
    while (!this.#isOver) {
      const stream = streamOf(this.#seed, this.#next++, this.#target.population, this.#crowd);
      this.#underWay.set(stream.index, stream);
      const heard = await this.#sender.say(stream);
      this.#underWay.delete(stream.index);
      // The crowd is not there to get far.
      if (stream.index >= this.#crowd) this.#figures.add(stream, heard);
      this.#finished.push(stream);
      if (this.#finished.length > SUSPECTS_MAX) this.#finished.shift();
      if (heard.fault !== null) this.#breach([`answer to stream ${stream.index}: ${heard.fault}`], [stream]);
    }
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await delay(WATCH_MS);
      this.#breach(await this.#target.verdict());
    }
  }

  /** Calls and changed twins: clients are not only asking, they are asked as well. */
  async #poke(): Promise<void> {
    const draws = drawsOf(this.#seed, POKES_PART);
    const { hub } = this.#target.child;
    while (!this.#isOver) {
      await delay(POKE_MS);
      const { deviceId, moduleId = null } = draws.pick(this.#target.population.members).identity;
      const call = {
        methodName: `m${draws.below(9)}/+`,
        payload: draws.below(9),
        responseTimeoutInSeconds: 5,
      };
      const change = { section: "desired", patch: { n: draws.below(100) } } as const;
      // That nobody answers, or in time, is as good an answer as any.
      if (draws.chance(70)) void hub.invokeMethod(deviceId, moduleId, call).catch(() => undefined);
      else void hub.changeTwin(deviceId, moduleId, change).catch(() => undefined);
    }
  }

  #breach(breaches: readonly string[], suspects?: readonly Stream[]): void {
    if (breaches.length === 0 || this.#breaches.length > 0) return;
    this.#breaches = [...breaches];
    this.#suspects = suspects ?? [...this.#finished, ...this.#underWay.values()];
  }

  get outcome(): Outcome {
    return {
      figures: this.#figures,
      canaries: this.#target.canaries.map(canaryFigures),
      peakRiseBytes: this.#target.peakRiseBytes,
      seed: this.#seed,
    };
  }

  result(): FuzzResult {
    const isWhole = this.#breaches.length === 0;
    const breaches = isWhole ? shallows(this.#figures) : this.#breaches;
    return { ...this.outcome, breaches, suspects: this.#suspects };
  }
}
