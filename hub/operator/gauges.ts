/**
 * What an operator reads off a hub: rates of queues and the use of flash, over the last minute. A timer samples
 * positions that are there anyway, so that no message pays for being counted.
 */
import type { Engine } from "../engine.ts";
import type { FlashBudget, QueueStatus } from "../face.ts";
import { flashUse, NOTHING_WRITTEN, type FlashSample } from "./flash-budget.ts";
import type { Lane } from "../journal/lane.ts";
import { queueStatus, START, type LanePlace } from "./queue-status.ts";
import { SAMPLE_EVERY_MS, Samples } from "./samples.ts";

type Places = ReadonlyMap<Lane, LanePlace>;

export class Gauges {
  readonly #engine: Engine;
  readonly #startedMs: number;
  readonly #places = new Samples<Places>();
  readonly #flash = new Samples<FlashSample>();
  readonly #timer: NodeJS.Timeout;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#startedMs = engine.clock.monotonic();
    this.sample();
    this.#timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS).unref();
  }

  sample(): void {
    const now = this.#engine.clock.monotonic();
    this.#places.take(now, this.#placesNow());
    this.#flash.take(now, this.#flashNow());
  }

  #placesNow(): Places {
    const places = new Map<Lane, LanePlace>();
    for (const lane of this.#engine.journal.lanes()) {
      places.set(lane, { tail: lane.tail, cursor: lane.cursor.offset });
    }
    return places;
  }

  #flashNow(): FlashSample {
    return { written: this.#engine.journal.written, messages: this.#engine.metrics.received };
  }

  /** A row per lane. */
  queues(): QueueStatus[] {
    const engine = this.#engine;
    engine.tick();
    const last = this.#places.since(engine.clock.monotonic());
    return [...engine.endpoints.all()].flatMap((endpoint) =>
      endpoint.lanes.map((lane) =>
        queueStatus(endpoint, lane, {
          wallNow: engine.wallNow,
          // A lane that was not there when the sample was taken has begun since, at offset 0 (J28).
          before: last?.value.get(lane) ?? START,
          seconds: last?.seconds ?? 1,
          size: engine.deadLetters.sizeOf(lane),
          losses: engine.losses.of(lane),
        }),
      ),
    );
  }

  flash(): FlashBudget {
    const nowMs = this.#engine.clock.monotonic();
    const now = this.#flashNow();
    const last = this.#flash.since(nowMs);
    const upSecs = Math.max(1, (nowMs - this.#startedMs) / 1000);
    return {
      lastMinute: flashUse(last?.value ?? NOTHING_WRITTEN, now, last?.seconds ?? upSecs),
      sinceStart: flashUse(NOTHING_WRITTEN, now, upSecs),
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
