/** A file system of a few megabytes, which tests can fill. Needs root: a tmpfs is mounted. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK_BYTES = 64 * 1024;

export class SmallDisk implements Disposable {
  readonly dir: string;

  constructor(megabytes: number) {
    this.dir = mkdtempSync(join(tmpdir(), "sandpiper-small-"));
    const { status, stderr } = mount(this.dir, megabytes);
    if (status !== 0) throw new Error(`mount: ${String(stderr)}`);
    process.once("exit", this.#onExit);
  }

  /** A run that is cut short leaves no mount behind. */
  readonly #onExit = (): void => this[Symbol.dispose]();

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.dir);
    return bavail * bsize;
  }

  /** Something else takes the room, until this much is left. */
  fill(leaveBytes: number): void {
    const file = openSync(this.#filler, "a");
    const chunk = Buffer.alloc(CHUNK_BYTES);
    while (this.freeBytes > leaveBytes) writeSync(file, chunk);
    closeSync(file);
  }

  /** It gives the room back. */
  clear(): void {
    unlinkSync(this.#filler);
  }

  get #filler(): string {
    return join(this.dir, "filler");
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    spawnSync("umount", ["--lazy", this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const mount = (dir: string, megabytes: number) =>
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "sandpiper-test", dir]);

/** Why there is no small disk here, or `null`. */
export function smallDiskMissing(): string | null {
  if (process.platform !== "linux") return "small disk: needs Linux";
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-small-"));
  const { error, status } = mount(dir, 1);
  if (status === 0) spawnSync("umount", [dir]);
  rmSync(dir, { recursive: true, force: true });
  return error === undefined && status === 0 ? null : "small disk: may not mount a tmpfs";
}
