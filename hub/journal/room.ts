/**
 * Room on the disk (J16, J18, J19). While there is too little, producers wait; what consumers settle is still
 * committed, out of the reserve and of what settled entries leave free inside the store. Producers go on when
 * the reserve is whole again, or when consumers have drained as much as the reserve holds: a store's file does
 * not shrink, so on a disk that others keep full the room is inside.
 */
import type { Store } from "./store.ts";

/** Kept free inside the store while the disk is full: as much as the reserve. */
const FREE_INSIDE_BYTES = 8 * 1024 * 1024;
/** What a commit frees can be used by the one after the next. */
const COMMITS_UNTIL_USABLE = 2;

export class Room {
  readonly #store: Store;
  #isShort = false;
  #isBlocked = false;
  /** Live bytes when the disk was found full, less what is kept free. */
  #refillTo = 0;
  #commitsBelow = 0;

  /** Takes the reserve. */
  constructor(store: Store) {
    this.#store = store;
    if (!store.restoreReserve()) this.#runShort();
  }

  /** The reserve is gone, or was never to be had. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** Whether producers may append. */
  get admits(): boolean {
    return !this.#isShort || (!this.#isBlocked && this.#commitsBelow >= COMMITS_UNTIL_USABLE);
  }

  /** A commit has failed for want of room, and will be tried again. */
  ranOut(): void {
    this.#isBlocked = true;
    this.#runShort();
    this.#store.freeReserve();
  }

  /** A commit has succeeded, or some time has passed. */
  review(isCommit: boolean): void {
    if (isCommit) this.#isBlocked = false;
    if (!this.#isShort || this.#isBlocked) return;
    if (this.#store.restoreReserve()) this.#isShort = false;
    else if (this.#store.liveBytes > this.#refillTo) this.#commitsBelow = 0;
    else if (isCommit) this.#commitsBelow++;
  }

  #runShort(): void {
    this.#isShort = true;
    this.#commitsBelow = 0;
    this.#refillTo = this.#store.liveBytes - FREE_INSIDE_BYTES;
  }
}
