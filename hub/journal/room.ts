/**
 * Room on the disk (J16, J18, J19). While there is too little, producers wait; what consumers settle is still
 * committed, out of the reserve and of what settled entries leave free inside the store. Producers go on when
 * the reserve is whole again, or when consumers have drained as much as the reserve holds: a store's file does
 * not shrink, so on a disk that others keep full the room is inside.
 */
import type { Store } from "./store.ts";

/** Kept free inside the store while the disk is full: as much as the reserve. */
const FREE_INSIDE_BYTES = 8 * 1024 * 1024;

export class Room {
  readonly #store: Store;
  #isShort = false;
  /** Transactions of the store when it ran out; `null` once another has succeeded. */
  #blockedAt: number | null = null;
  /** Live bytes when the disk was found full, less what is kept free. */
  #refillTo = 0;
  /** Transactions of the store when it was first seen below that: what one frees, the one after the next can use. */
  #belowSince: number | null = null;

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
    if (!this.#isShort) return true;
    return (
      this.#blockedAt === null && this.#belowSince !== null && this.#store.transactions > this.#belowSince
    );
  }

  /** A transaction has failed for want of room, and will be tried again. */
  ranOut(): void {
    this.#blockedAt = this.#store.transactions;
    this.#runShort();
    this.#store.freeReserve();
  }

  /** A transaction has succeeded, or some time has passed. */
  review(): void {
    if (this.#blockedAt !== null && this.#store.transactions > this.#blockedAt) this.#blockedAt = null;
    if (!this.#isShort || this.#blockedAt !== null) return;
    if (this.#store.restoreReserve()) this.#isShort = false;
    else if (this.#store.liveBytes > this.#refillTo) this.#belowSince = null;
    else this.#belowSince ??= this.#store.transactions;
  }

  #runShort(): void {
    this.#isShort = true;
    this.#belowSince = null;
    this.#refillTo = this.#store.liveBytes - FREE_INSIDE_BYTES;
  }
}
