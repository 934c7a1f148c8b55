/**
 * A disk that fills and is freed, again and again: producers wait while it is full, nothing acknowledged is lost, and
 * they go on by themselves, in order (J16, J18).
 */
import { join } from "node:path";
import { HubChild } from "../../support/faults/hub-child.ts";
import { SmallDisk } from "../../support/faults/small-disk.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";
import { device, judgeNumbers, loggedNumbers, numbered, settled, type Scenario } from "./scenario.ts";

const DISK_MB = 64;
/** Left when it is filled: less than the store wants to keep in reserve. */
const LEFT_BYTES = 5 * 1024 * 1024;
const WINDOW = 50;
const WAIT_MS = 60_000;
/** Messages between two times that it fills. */
const MESSAGES_EACH = 200;

export const diskFull: Scenario = async ({ durationMs, store }) => {
  using disk = new SmallDisk(DISK_MB);
  await using child = await HubChild.start({
    storeDir: join(disk.dir, "store"),
    ...(store === undefined ? {} : { store }),
  });
  const publisher = new WindowPublisher(device("d"), WINDOW, numbered);
  await child.hub.addIdentity(publisher.identity);
  const routes = { log: { route: "FROM /messages/* INTO $upstream" } };
  await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
  const ended = publisher.run(child.port);
  const isIn = (state: string) => async (): Promise<boolean> => (await child.hub.status()).state === state;
  let times = 0;
  const end = performance.now() + durationMs;
  do {
    disk.fill(LEFT_BYTES);
    await until("full", isIn("full"), WAIT_MS);
    disk.clear();
    await until("room again", isIn("ok"), WAIT_MS);
    const enough = publisher.acked.length + MESSAGES_EACH;
    await until("acknowledgements go on", () => publisher.acked.length >= enough, WAIT_MS);
    times++;
  } while (performance.now() < end && disk.freeBytes > (DISK_MB / 4) * 1024 * 1024);
  await settled(publisher);
  const breaches = [...judgeNumbers(publisher.acked, await loggedNumbers(child)), ...publisher.faults];
  publisher.stop();
  publisher.disconnect();
  await ended;
  const line = `${times} times full, ${publisher.acked.length} acknowledged, ${breaches.length} breaches`;
  return { breaches, line };
};
