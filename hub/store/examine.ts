/**
 * Reads everything that a store holds, and says what that is or where it is damaged. Damaged pages may end the
 * process that reads them: whoever wants to live on lets another one do it (see store-check.ts).
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { Block, SandpiperError } from "../../abi/index.ts";
import { DATABASE_FILE } from "../journal/lmdb-environment.ts";
import { isEmptyFile } from "../journal/lmdb-file.ts";
import { openAsLeft } from "../journal/redo/open-redo.ts";
import { isChain } from "../journal/slab.ts";
import type { RecoveredLane, Store } from "../journal/store.ts";
import { TABLE } from "../journal/tables.ts";

const READ_BYTES = 1024 * 1024;

/** `unreadable`: the disk, not what is on it. */
export type StoreReport =
  | { readonly state: "empty" }
  | {
      readonly state: "sound";
      readonly queues: number;
      readonly messages: number;
      readonly messageBytes: number;
      readonly identities: number;
      readonly fileBytes: number;
      readonly usedBytes: number;
    }
  | { readonly state: "damaged" | "unreadable"; readonly code: string; readonly what: string };

/** Nothing else may have the store open. */
export async function examine(dir: string): Promise<StoreReport> {
  if (isEmptyFile(join(dir, DATABASE_FILE))) return { state: "empty" };
  try {
    readEveryByte(dir);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { state: "unreadable", code: code ?? "SP_INTERNAL", what: message };
  }
  try {
    return await examineStore(await openAsLeft(dir));
  } catch (error) {
    if (!(error instanceof SandpiperError)) throw error;
    const { code, message } = error;
    return { state: code === "SP_STORE_CORRUPT" ? "damaged" : "unreadable", code, what: message };
  }
}

async function examineStore(store: Store): Promise<StoreReport> {
  try {
    const { lanes, rows } = store.load();
    let messages = 0;
    for (const lane of lanes) messages += countMessages(store, lane);
    const identities = [...rows].filter(({ key }) => key[0] === TABLE.IDENTITY).length;
    const { fileBytes = 0, usedBytes = 0 } = store.space ?? {};
    const queues = new Set(lanes.map(({ queue }) => queue)).size;
    return {
      state: "sound",
      queues,
      messages,
      messageBytes: store.liveBytes,
      identities,
      fileBytes,
      usedBytes,
    };
  } finally {
    await store.close();
  }
}

/** Those that wait in a lane, each of them read. @throws SP_STORE_CORRUPT */
function countMessages(store: Store, lane: RecoveredLane): number {
  let waiting = 0;
  for (const record of lane.records) {
    const bytes = store.read(lane, record);
    const block = Block.allocate(bytes.length);
    block.u8.set(bytes);
    const end = record.first + record.count;
    if (!isChain(block, bytes.length, record.first, end)) {
      const { queue, priority } = lane;
      throw new SandpiperError(
        "SP_STORE_CORRUPT",
        `store: lane ${queue}/${priority}: entries ${record.first} to ${end} are damaged`,
        { details: { queue, priority } },
      );
    }
    waiting += end - Math.max(record.first, Math.min(lane.cursor, end));
  }
  return waiting;
}

/** A disk that cannot give a page would end the process once the page is mapped; read, it says so. */
function readEveryByte(dir: string): void {
  const bytes = Buffer.allocUnsafe(READ_BYTES);
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (!statSync(path).isFile()) continue;
    const file = openSync(path, "r");
    try {
      while (readSync(file, bytes, 0, bytes.length, null) > 0);
    } finally {
      closeSync(file);
    }
  }
}
