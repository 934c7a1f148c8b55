/**
 * A build of the hub with one line changed for the worse: to prove that a test which passes could fail.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The project's folder: this file runs from the source tree and from the build. */
const ROOT = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../../" : "../../../../", import.meta.url),
);
/** What of the build a process with a hub and modules needs. */
const PARTS = ["abi", "hub", "host", "test/support", "test/bench"];

/** The hub's thread in one file. Where it is no longer there, this has to know where it is now. */
const BUNDLE = "hub/thread/thread.bundle.js";

export interface Mutation {
  /** Below `dist/`. */
  readonly file: string;
  /** As the compiler prints it; must be there exactly once. */
  readonly from: string;
  readonly to: string;
}

export class Mutant implements Disposable {
  /** Its build, for `HubChild.start`. */
  readonly dist: URL;
  readonly #dir: string;

  constructor({ file, from, to }: Mutation) {
    this.#dir = mkdtempSync(join(tmpdir(), "sandpiper-mutant-"));
    const dist = join(this.#dir, "dist");
    for (const part of PARTS) {
      mkdirSync(join(dist, part), { recursive: true });
      cpSync(join(ROOT, "dist", part), join(dist, part), { recursive: true });
    }
    rmSync(join(dist, BUNDLE)); // it would run instead of the file that is changed
    writeFileSync(join(this.#dir, "package.json"), '{ "type": "module" }');
    symlinkSync(join(ROOT, "node_modules"), join(this.#dir, "node_modules"));
    const path = join(dist, file);
    const parts = readFileSync(path, "utf8").split(from);
    if (parts.length !== 2) throw new Error(`${file}: found ${parts.length - 1} times: ${from}`);
    writeFileSync(path, parts.join(to));
    this.dist = pathToFileURL(`${dist}/`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
