/**
 * Why clients were refused, closed, or not listened to: for the person who is asked why a device does not
 * connect. What a client is told (contract §4.1) does not say. The latest trouble of each of the last few
 * clients; whoever may knock can push others out of the list, and no more than that.
 */
import type { ClientTrouble } from "../face.ts";

/** Those of a few clients, and of each listener. */
const CLIENTS_MAX = 16;
const NAME_CHARACTERS_MAX = 128;
const WHAT_CHARACTERS_MAX = 300;

export class ClientTroubles {
  readonly #byClient = new Map<string, ClientTrouble>();

  /** `client`: as it calls itself. */
  note(client: string, what: string, atMs: number): void {
    const name = client.slice(0, NAME_CHARACTERS_MAX);
    const times = (this.#byClient.get(name)?.times ?? 0) + 1;
    this.#byClient.delete(name);
    this.#byClient.set(name, {
      client: name,
      what: what.slice(0, WHAT_CHARACTERS_MAX),
      at: new Date(atMs).toISOString(),
      times,
    });
    const [oldest] = this.#byClient.keys();
    if (this.#byClient.size > CLIENTS_MAX) this.#byClient.delete(oldest!);
  }

  /** The latest first. */
  list(): ClientTrouble[] {
    return [...this.#byClient.values()].toReversed();
  }
}
