/**
 * A disk that answers EIO at a random durable call, again and again: the hub's thread ends, the next one recovers from
 * disk, and everything acknowledged is there, in order (J17, J8).
 */
import { join } from "node:path";
import { FaultyDisk } from "../../support/faults/faulty-disk.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { WindowPublisher } from "../../support/faults/window.ts";
import { device, judgeNumbers, loggedNumbers, numbered, settled, type Scenario } from "./scenario.ts";

const WINDOW = 40;
const NTH_MAX = 40;
const ROUNDS_MIN = 3;

export const ioError: Scenario = async ({ folder, durationMs, below, store }) => {
  using disk = new FaultyDisk("/store");
  const storeDir = join(folder, "store");
  await using child = await HubChild.start({
    storeDir,
    env: disk.env,
    ...(store === undefined ? {} : { store }),
  });
  const publisher = new WindowPublisher(device("d"), WINDOW, numbered);
  await child.hub.addIdentity(publisher.identity);
  const routes = { log: { route: "FROM /messages/* INTO $upstream" } };
  await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
  const breaches: string[] = [];
  let rounds = 0;
  const end = performance.now() + durationMs;
  for (; (performance.now() < end || rounds < ROUNDS_MIN) && breaches.length === 0; rounds++) {
    // "data" is a call that every back end makes; which of its calls it is, chance says.
    disk.failIn("data", 1 + below(NTH_MAX));
    const ended = publisher.run(child.port);
    await child.failed();
    await ended;
    child.failures.length = 0;
    await child.startAgain();
    breaches.push(...judgeNumbers(publisher.acked, await loggedNumbers(child)));
  }
  const ended = publisher.run(child.port);
  await settled(publisher);
  breaches.push(...judgeNumbers(publisher.acked, await loggedNumbers(child)), ...publisher.faults);
  publisher.stop();
  publisher.disconnect();
  await ended;
  const line = `${rounds} I/O errors, ${publisher.acked.length} acknowledged, ${breaches.length} breaches`;
  return { breaches, line };
};
