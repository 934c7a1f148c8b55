/**
 * A wall clock that jumps an hour ahead and an hour back, while messages with a time to live of a minute wait: none
 * of them expires, devices stay connected, and the order stays (J31, J3).
 */
import { join } from "node:path";
import type { QueueStatus } from "../../../hub/face.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { WALL_CLOCK } from "../../support/faults/wall-clock.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";
import { GATEWAY } from "../../support/hub.ts";
import { device, judgeNumbers, numbered, numberOf, settled, type Scenario } from "./scenario.ts";

const HOUR_MS = 3_600_000;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, 0];
const TIME_TO_LIVE_SECS = 60;
const MESSAGES_EACH = 100;
const ENDPOINT = "sink/in";

export const clockJump: Scenario = async ({ folder, durationMs, store }) => {
  const storeDir = join(folder, "store");
  const sink = { ...device(GATEWAY), moduleId: "sink" };
  const options = { storeDir, env: { [WALL_CLOCK]: "1" }, ...(store === undefined ? {} : { store }) };
  const publisher = new WindowPublisher(device("d"), 20, numbered);
  const delivered: number[] = [];
  const breaches: string[] = [];
  let jumps = 0;
  const end = performance.now() + durationMs;
  do {
    await using child = await HubChild.start(options);
    if (jumps === 0) {
      await child.hub.addIdentity(publisher.identity);
      await child.hub.addIdentity(sink);
    }
    const routes = { r: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' } };
    await child.hub.setRoutes({ routes, timeToLiveSecs: TIME_TO_LIVE_SECS });
    const ended = publisher.run(child.port);
    for (const aheadMs of JUMPS_MS) {
      const enough = publisher.acked.length + MESSAGES_EACH;
      await until("acknowledgements go on", () => publisher.acked.length >= enough, 60_000);
      await child.hub.setWallClockAhead(aheadMs);
      jumps++;
      await until("the clock has jumped", async () => isAhead(await child.hub.queues(), aheadMs), 60_000);
    }
    await settled(publisher);
    publisher.disconnect();
    await ended;
    delivered.push(...(await drain(child, sink)));
    const { expired_ttl: expired } = (await child.hub.status()).counters;
    if (expired !== 0) breaches.push(`J31: ${expired} expired`);
    await child.kill();
  } while (performance.now() < end);
  publisher.stop();
  breaches.push(...judgeNumbers(publisher.acked, delivered), ...publisher.faults);
  const line = `${jumps} jumps, ${publisher.acked.length} acknowledged, ${delivered.length} delivered, ${breaches.length} breaches`;
  return { breaches, line };
};

/** Whether the hub takes the oldest message for as old as its clock says; for new, when that was set back. */
function isAhead(queues: readonly QueueStatus[], aheadMs: number): boolean {
  const ageMs = queues.find(({ endpoint }) => endpoint === ENDPOINT)?.oldestAgeMs ?? null;
  if (ageMs === null) return false;
  return aheadMs > 0 ? ageMs >= aheadMs : aheadMs < 0 ? ageMs === 0 : ageMs > 0 && ageMs < HOUR_MS;
}

/** Everything that waits, as the consumer gets it. */
async function drain(child: HubChild, sink: ReturnType<typeof device>): Promise<number[]> {
  const found: number[] = [];
  using consumer: RawClient = new RawClient(child.port, sink, {
    onPublish({ payload, messageId }) {
      found.push(numberOf(payload.toString()));
      consumer.puback(messageId!);
    },
  });
  await consumer.connected;
  await consumer.subscribe(`devices/${GATEWAY}/modules/sink/#`);
  await until(
    "everything consumed",
    async () => {
      const queues = await child.hub.queues();
      return queues.filter(({ endpoint }) => endpoint === ENDPOINT).every(({ length }) => length === 0);
    },
    60_000,
  );
  return found;
}
