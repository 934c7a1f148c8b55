/**
 * A disk that is slow or breaks on command, for one child process: faulty-disk.c, compiled when it is needed,
 * and the small shared file by which a test tells it what to do and reads what it has done.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Layout of `struct control`: an errno, then six words for each kind of call. */
const KIND_WORDS = 6;
const CONTROL_BYTES = 4 * (1 + 2 * KIND_WORDS);
const WORD = { DELAY: 0, HOLD: 1, FAIL_IN: 2, BEGUN: 3, DONE: 4, FAILED: 5 } as const;

/** "data": fdatasync and its kin. "meta": a write that is durable when it returns. A commit needs one of each. */
export type Flush = "data" | "meta";

export interface FlushCounts {
  readonly begun: number;
  readonly done: number;
  readonly failed: number;
}

export class FaultyDisk implements Disposable {
  /** For the child process: preloads the disk. */
  readonly env: NodeJS.ProcessEnv;
  readonly #dir: string;
  readonly #control: number;

  /**
   * @param pathPart files whose path contains this are on the faulty disk
   * @param source where faulty-disk.c lies, for who runs from dist/
   */
  constructor(pathPart: string, source: string = SOURCE) {
    this.#dir = mkdtempSync(join(tmpdir(), "sandpiper-disk-"));
    const library = join(this.#dir, "faulty-disk.so");
    compile(library, source);
    const control = join(this.#dir, "control");
    this.#control = openSync(control, "w+", 0o600);
    writeSync(this.#control, Buffer.alloc(CONTROL_BYTES));
    this.#put(0, constants.errno.EIO);
    this.env = {
      LD_PRELOAD: library,
      SANDPIPER_FAULTS_CONTROL: control,
      SANDPIPER_FAULTS_PATH: pathPart,
    };
  }

  /** From now on every such call takes this much longer. */
  delay(kind: Flush, ms: number): void {
    this.#put(word(kind, WORD.DELAY), ms);
  }

  /** From now on every such call is held this long, ms, before it says that it is done: what it wrote, it wrote. */
  hold(kind: Flush, ms: number): void {
    this.#put(word(kind, WORD.HOLD), ms);
  }

  /** The `nth` such call from now fails with EIO, once. */
  failIn(kind: Flush, nth: number): void {
    this.#put(word(kind, WORD.FAIL_IN), nth);
  }

  counts(kind: Flush): FlushCounts {
    const words = Buffer.alloc(CONTROL_BYTES);
    readSync(this.#control, words, 0, CONTROL_BYTES, 0);
    const at = (index: number): number => words.readInt32LE(4 * word(kind, index));
    return { begun: at(WORD.BEGUN), done: at(WORD.DONE), failed: at(WORD.FAILED) };
  }

  #put(index: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    writeSync(this.#control, bytes, 0, 4, 4 * index);
  }

  [Symbol.dispose](): void {
    closeSync(this.#control);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

const word = (kind: Flush, index: number): number => 1 + (kind === "data" ? 0 : KIND_WORDS) + index;

/** Beside the sources: the compiler leaves it there. */
const SOURCE = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "./faulty-disk.c" : "../../../../test/support/faults/faulty-disk.c",
    import.meta.url,
  ),
);

function compile(library: string, source: string): void {
  const { status, stderr } = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
  if (status !== 0) throw new Error(`cc failed: ${String(stderr)}`);
}

/** Why there is no faulty disk here, or `null`. */
export function faultyDiskMissing(): string | null {
  if (process.platform !== "linux") return "faulty disk: needs Linux";
  const { error, status } = spawnSync("cc", ["--version"]);
  return error === undefined && status === 0 ? null : "faulty disk: no C compiler (cc)";
}
