/**
 * Whose interest in desired properties outlives its connections, and what each of them may have missed
 * (contract §9, after reconnect). A push has no acknowledgement, so a follower is held to know for certain only
 * what it had when it began, or when it read its twin. Which keys are written after that is kept, in the same step
 * as the change, and what they are is pushed again when it comes back: at least once, also over a crash.
 */
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import type { JsonObject } from "./limits.ts";
import { decodeTouched, patchFor, present, touch, UNTOUCHED, type Touched } from "./touched.ts";
import type { Section } from "./twin.ts";

/**
 * What is kept of the keys, as JSON. A follower that is away while more come and go is not told of those that went.
 */
const TOUCHED_BYTES_MAX = 64 * 1024;

export interface MissedPatch {
  /** JSON, `$version` in it. */
  readonly patch: Buffer;
  readonly version: number;
}

/** Keys are those of the twins' rows. */
export class DesiredFollowers {
  readonly #journal: Journal;
  readonly #desiredOf: (key: string) => Section | undefined;

  /** @param desiredOf of a twin that has a row */
  constructor(journal: Journal, desiredOf: (key: string) => Section | undefined) {
    this.#journal = journal;
    this.#desiredOf = desiredOf;
  }

  /** From now on, as part of the current step. One that follows already goes on as it was. */
  follow(key: string): void {
    if (this.#touched(key) === null) this.#put(key, UNTOUCHED);
  }

  /** As part of the current step. */
  forget(key: string): void {
    this.#journal.tables.delete(TABLE.FOLLOWER, key);
    this.#journal.step();
  }

  /** Its desired properties become others by this patch, in the current step. */
  changes(key: string, patch: JsonObject, before: Section, after: Section): void {
    const known = this.#touched(key);
    if (known === null) return;
    const touched = touch(known, patch, before.values);
    const isLong = encode(touched).length > TOUCHED_BYTES_MAX;
    this.#put(key, isLong ? present(touched, after.values) : touched);
  }

  /** It has asked for all of it: what it missed before does not matter. Need not be durable. */
  hasRead(key: string): void {
    const touched = this.#touched(key);
    if (touched === null || Object.keys(touched).length === 0) return;
    this.#journal.tables.putLazily(TABLE.FOLLOWER, key, encode(UNTOUCHED));
  }

  /** What it has to be told, or `null` when it has missed nothing. */
  missed(key: string): MissedPatch | null {
    const touched = this.#touched(key);
    const desired = this.#desiredOf(key);
    if (touched === null || desired === undefined || Object.keys(touched).length === 0) return null;
    const { version, values } = desired;
    const patch = { ...patchFor(touched, values), $version: version };
    return { patch: Buffer.from(JSON.stringify(patch)), version };
  }

  #touched(key: string): Touched | null {
    const row = this.#journal.tables.get(TABLE.FOLLOWER, key);
    return row === undefined ? null : decodeTouched(JSON.parse(row.toString()) as object);
  }

  #put(key: string, touched: Touched): void {
    this.#journal.tables.put(TABLE.FOLLOWER, key, encode(touched));
    this.#journal.step();
  }
}

const encode = (touched: Touched): Buffer => Buffer.from(JSON.stringify(touched));
