/**
 * A disk that loses power: of the pages that were written and not yet flushed, each may be there, be as it was, or
 * hold garbage. The gateway must recover to a prefix with everything it acknowledged (J8, J35).
 *
 * Which pages those are is found without knowing the store: flushes are held up, and writes that would be durable when
 * they return are held after they have reached the page cache, as the redo log's are; a burst is written behind them,
 * the process is killed, and its files are compared with a copy of the last durable state.
 */
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FaultyDisk } from "../../support/faults/faulty-disk.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";
import {
  device,
  judgeNumbers,
  loggedNumbers,
  numbered,
  settled,
  type Scenario,
  type ScenarioOptions,
} from "./scenario.ts";

const PAGE_BYTES = 4096;
const WINDOW = 40;
/** Longer than it takes to kill a process, ms. */
const HELD_MS = 60_000;
/** Messages of a round before the power fails. */
const CALM_MESSAGES_MAX = 200;
/** The process that opens the store may lock pages of this file; it holds no data. */
const LOCK_FILE = /-lock$/;
const ROUNDS_MIN = 3;

/** Checkpoints come all the time, so that a cut may find one under way as well. */
const STORE = { logBytes: 1024 * 1024, checkpointBytes: 64 * 1024, checkpointMs: 20 };

export const tornWrite: Scenario = async (given) => {
  const options = { ...given, store: { ...STORE, ...given.store } };
  const { durationMs } = options;
  const sender = device("d");
  const publisher = new WindowPublisher(sender, WINDOW, numbered);
  const end = performance.now() + durationMs;
  const breaches: string[] = [];
  let rounds = 0;
  let torn = 0;
  for (; (performance.now() < end || rounds < ROUNDS_MIN) && breaches.length === 0; rounds++) {
    torn += await powerCut(options, publisher, rounds === 0);
    await using child = await HubChild.start({ ...options, storeDir: join(options.folder, "store") });
    breaches.push(...judgeNumbers(publisher.acked, await loggedNumbers(child)));
    const ended = publisher.run(child.port);
    await settled(publisher);
    breaches.push(...judgeNumbers(publisher.acked, await loggedNumbers(child)));
    publisher.disconnect();
    await ended;
  }
  publisher.stop();
  const line = `${rounds} power cuts, ${torn} pages torn, ${publisher.acked.length} acknowledged, ${breaches.length} breaches`;
  return { breaches: [...breaches, ...publisher.faults], line };
};

/** One life that ends with a torn write; returns how many pages were torn. */
async function powerCut(
  options: ScenarioOptions,
  publisher: WindowPublisher,
  isFirst: boolean,
): Promise<number> {
  const { below, folder } = options;
  const storeDir = join(folder, "store");
  const durable = join(folder, "durable");
  using disk = new FaultyDisk("/store");
  await using child = await HubChild.start({ ...options, storeDir, env: disk.env });
  if (isFirst) {
    await child.hub.addIdentity(publisher.identity);
    const routes = { log: { route: "FROM /messages/* INTO $upstream" } };
    await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
  }
  const ended = publisher.run(child.port);
  const enough = publisher.acked.length + 1 + below(CALM_MESSAGES_MAX);
  await until("some acknowledged", () => publisher.acked.length >= enough, 60_000);
  await settled(publisher);
  await until("a copy of what is durable", () => copyDurable(disk, storeDir, durable), 60_000);
  const begun = begunOn(disk);
  publisher.resume();
  await until("a flush that is held up", () => begunOn(disk) > begun, 60_000);
  await child.kill();
  await ended;
  return tearFolder(storeDir, durable, below);
}

/** Holds the disk up. `false`, and then it does not: a flush came between, so that nobody knows what was copied. */
function copyDurable(disk: FaultyDisk, storeDir: string, durable: string): boolean {
  const begun = begunOn(disk);
  if (begun > doneOn(disk)) return false;
  cpSync(storeDir, durable, { recursive: true, force: true });
  holdUp(disk, HELD_MS);
  if (begunOn(disk) === begun) return true;
  holdUp(disk, 0);
  return false;
}

function holdUp(disk: FaultyDisk, ms: number): void {
  disk.delay("data", ms);
  disk.hold("meta", ms);
}

const begunOn = (disk: FaultyDisk): number => disk.counts("data").begun + disk.counts("meta").begun;
const doneOn = (disk: FaultyDisk): number => disk.counts("data").done + disk.counts("meta").done;

function tearFolder(dir: string, durable: string, below: (n: number) => number): number {
  let torn = 0;
  for (const name of readdirSync(dir, { recursive: true }) as string[]) {
    const before = join(durable, name);
    if (LOCK_FILE.test(name) || !existsSync(before)) continue;
    torn += tearFile(join(dir, name), before, below);
  }
  return torn;
}

function tearFile(path: string, before: string, below: (n: number) => number): number {
  const [now, then] = [path, before].map(readIfFile);
  if (now === null || then === null) return 0;
  let torn = 0;
  for (let at = 0; at < now!.length; at += PAGE_BYTES) {
    const page = now!.subarray(at, at + PAGE_BYTES);
    const old = then!.subarray(at, at + PAGE_BYTES);
    if (page.equals(old)) continue;
    const fate = below(4);
    if (fate === 0) continue;
    torn++;
    if (fate === 1) page.fill(0).set(old);
    else if (fate === 2) for (let i = 0; i < page.length; i++) page[i] = below(256);
    else page.fill(0, below(page.length));
  }
  writeFileSync(path, now!);
  const grown = now!.length - then!.length;
  if (grown > 0 && below(3) === 0) truncateSync(path, then!.length + below(grown));
  return torn;
}

function readIfFile(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null; // a folder
  }
}
