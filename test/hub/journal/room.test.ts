/** Room on the disk, decided: when producers wait, and when they go on [J18 J19]. */
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import { Room } from "../../../hub/journal/room.ts";

const MB = 1024 * 1024;

/** A store of which only the disk's room and the live bytes matter. */
class DiskStore extends MemoryStore {
  hasRoom = true;
  live = 0;
  freed = 0;
  override restoreReserve(): boolean {
    return this.hasRoom;
  }
  /** A commit succeeds. */
  commits(room: Room): void {
    this.transactions++;
    room.review();
  }
  override freeReserve(): void {
    this.freed++;
  }
  override get liveBytes(): number {
    return this.live;
  }
}

function full(liveBytes: number): { disk: DiskStore; room: Room } {
  const disk = new DiskStore();
  const room = new Room(disk);
  disk.hasRoom = false;
  disk.live = liveBytes;
  room.ranOut();
  return { disk, room };
}

describe("a disk that ran full", () => {
  test("frees its reserve, and takes nothing from producers [J19]", () => {
    const { disk, room } = full(100 * MB);
    expect([room.isShort, room.admits, disk.freed]).toEqual([true, false, 1]);
  });

  test("stays full when the group fits into the reserve: the reserve is for consumers [J18 J19]", () => {
    const { disk, room } = full(100 * MB);
    for (let i = 0; i < 10; i++) disk.commits(room);
    expect([room.isShort, room.admits]).toEqual([true, false]);
  });

  test("is as it was before once the reserve is whole again, found by a commit or by looking", () => {
    for (const isCommit of [true, false]) {
      const { disk, room } = full(100 * MB);
      disk.commits(room);
      disk.hasRoom = true;
      if (isCommit) disk.commits(room);
      else room.review();
      expect([room.isShort, room.admits]).toEqual([false, true]);
    }
  });

  test("does not believe in room while a group still fails", () => {
    const { disk, room } = full(100 * MB);
    disk.hasRoom = true;
    room.review();
    expect(room.isShort).toBe(true);
  });

  test("takes as much again as consumers have drained beyond the reserve, two commits later [J19]", () => {
    const { disk, room } = full(100 * MB);
    disk.commits(room);
    disk.live = 93 * MB;
    for (let i = 0; i < 3; i++) disk.commits(room);
    expect(room.admits, "less than the reserve was drained").toBe(false);
    disk.live = 92 * MB;
    disk.commits(room);
    expect(room.admits, "what a commit frees, the next cannot use yet").toBe(false);
    disk.commits(room);
    expect(room.admits).toBe(true);
    disk.live = 93 * MB;
    disk.commits(room);
    expect(room.admits, "filled up again").toBe(false);
    expect(room.isShort).toBe(true);
  });
});

test("a hub that starts on a full disk starts full [J18]", () => {
  const disk = new DiskStore();
  disk.hasRoom = false;
  const room = new Room(disk);
  expect([room.isShort, room.admits]).toEqual([true, false]);
});
