/** A disk whose flushes take longer, as those of an SD card do: the faulty disk of the tests, with no fault. */
import { join } from "node:path";
import { FaultyDisk } from "../support/faults/faulty-disk.ts";
import { projectDir } from "./compile.ts";

const SOURCE = join(projectDir, "test", "support", "faults", "faulty-disk.c");

export class SlowDisk implements Disposable {
  /** How much longer each durable call takes, ms. */
  readonly delayMs: number;
  readonly #disk: FaultyDisk;

  /** @param folder what lies in it is slow, for processes started with `env` */
  constructor(folder: string, delayMs: number) {
    this.delayMs = delayMs;
    this.#disk = new FaultyDisk(folder, SOURCE);
    this.#disk.delay("data", delayMs);
    this.#disk.delay("meta", delayMs);
  }

  get env(): NodeJS.ProcessEnv {
    return this.#disk.env;
  }

  [Symbol.dispose](): void {
    this.#disk[Symbol.dispose]();
  }
}
