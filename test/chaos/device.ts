/** A device of a chaos run: draws its messages, sends them through a window, and remembers what it saw. */
import { newKeys } from "../../hub/identity/keys.ts";
import { WindowPublisher } from "../support/faults/window.ts";
import type { Below } from "./draws.ts";
import type { DeviceHistory, Fault, SentMessage } from "./history.ts";
import { bodyOf, topicOf, URGENCIES, type ChaosMessage, type Path } from "./message.ts";

/** One in so many messages on the path "picky" is poison. */
const POISON_ONE_IN = 12;
/** Body lengths: most are small, one in `LARGE_ONE_IN` is not. */
const BYTES_MIN = 24;
const BYTES_MAX = 400;
const LARGE_BYTES_MAX = 32 * 1024;
const LARGE_ONE_IN = 60;
const WINDOW_MAX = 60;
const PACE_MS_MAX = 8;
/** It begins no more than this in one life of the gateway: what piles up has to come out in the end. */
const MESSAGES_PER_LIFE_MAX = 150;

export class Device {
  readonly publisher: WindowPublisher;
  readonly #below: Below;
  readonly #messages: SentMessage[] = [];
  readonly #faults: Fault[] = [];
  #paths: readonly Path[] = [];
  #round = 0;
  #inFlightAtCuts = 0;
  onAck: () => void = () => undefined;

  constructor(id: string, below: Below) {
    this.#below = below;
    const identity = { deviceId: id, ...newKeys(), enabled: true };
    const publisher = (this.publisher = new WindowPublisher(
      identity,
      1,
      (sequence) => this.#begin(sequence),
      (sequence) => topicOf(this.#sent(sequence).message),
    ));
    publisher.onAck = (sequence) => {
      this.#sent(sequence).ackedIn = this.#round;
      this.onAck();
    };
  }

  get id(): string {
    return this.publisher.identity.deviceId;
  }

  /** Another window, rate and mix of messages. */
  redraw(round: number, paths: readonly Path[]): void {
    this.#round = round;
    this.#paths = paths;
    this.publisher.window = 1 + this.#below(WINDOW_MAX);
    this.publisher.end = this.publisher.next + 1 + this.#below(MESSAGES_PER_LIFE_MAX);
    this.publisher.paceMs = this.#below(3) === 0 ? 1 + this.#below(PACE_MS_MAX) : 0;
  }

  /** It has sent what it had to in this life, and everything is acknowledged. */
  get isDone(): boolean {
    const { next, end, inFlight } = this.publisher;
    return next >= end && inFlight === 0;
  }

  /** Resolves when the connection has ended. */
  async run(port: number): Promise<void> {
    const { publisher } = this;
    await publisher.run(port);
    this.#inFlightAtCuts += publisher.inFlight;
    for (const what of publisher.faults.splice(0)) this.#faults.push({ round: this.#round, what });
  }

  /** Drawn when it is first asked for. */
  #sent(sequence: number): SentMessage {
    return (this.#messages[sequence] ??= { message: this.#draw(sequence), sentIn: [], ackedIn: null });
  }

  #begin(sequence: number): string {
    const sent = this.#sent(sequence);
    sent.sentIn.push(this.#round);
    return bodyOf(sent.message);
  }

  #draw(sequence: number): ChaosMessage {
    const below = this.#below;
    const path = this.#paths[below(this.#paths.length)]!;
    const bytesMax = below(LARGE_ONE_IN) === 0 ? LARGE_BYTES_MAX : BYTES_MAX;
    return {
      device: this.id,
      sequence,
      path,
      urgency: URGENCIES[below(URGENCIES.length)]!,
      isPoison: path === "picky" && below(POISON_ONE_IN) === 0,
      bytes: BYTES_MIN + below(bytesMax - BYTES_MIN),
    };
  }

  get history(): DeviceHistory {
    const { id, publisher } = this;
    return {
      id,
      messages: this.#messages,
      acked: publisher.acked,
      faults: this.#faults,
      inFlightAtCuts: this.#inFlightAtCuts,
    };
  }
}
