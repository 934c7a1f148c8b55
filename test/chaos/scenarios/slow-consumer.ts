/**
 * A fast producer and a consumer that hardly gets anywhere: the backlog grows to its bound and stays on the disk, and
 * anonymous memory stays flat once it has warmed up (J5, J6).
 */
import { join } from "node:path";
import { FaultyDisk } from "../../support/faults/faulty-disk.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { WindowPublisher } from "../../support/faults/window.ts";
import { GATEWAY } from "../../support/hub.ts";
import { device, type Scenario, type ScenarioOptions, type ScenarioResult } from "./scenario.ts";

/** The whole rise of the line through all samples after the warm-up, bytes: collectors breathe by more than half of it. */
export const RISE_BYTES_MAX = 32 * 1024 * 1024;
/** Of the run, before the first sample that counts. */
const WARM_UP_SHARE = 0.4;
const SAMPLE_MS = 100;
/** The consumer settles one message so often, ms. */
const SETTLE_MS = 20;
const SLOW_FLUSH_MS = 500;
const PRODUCERS = 3;
const WINDOW = 100;
const BODY = "x".repeat(4 * 1024);

export const slowConsumer: Scenario = (options) => flatMemory(options, {});

/** The same on a disk whose every flush takes half a second. */
export const slowFlush: Scenario = async (options) => {
  using disk = new FaultyDisk("/store");
  // Of the database and, written through a synchronous descriptor, of the log.
  for (const kind of ["data", "meta"] as const) disk.delay(kind, SLOW_FLUSH_MS);
  return flatMemory(options, disk.env);
};

async function flatMemory(
  { folder, durationMs, store }: ScenarioOptions,
  env: NodeJS.ProcessEnv,
): Promise<ScenarioResult> {
  const sink = { ...device(GATEWAY), moduleId: "sink" };
  await using child = await HubChild.start({
    storeDir: join(folder, "store"),
    env,
    ...(store === undefined ? {} : { store }),
  });
  const producers = Array.from({ length: PRODUCERS }, (_, i) => {
    return new WindowPublisher(device(`d${i}`), WINDOW, (sequence) => `${sequence}:${BODY}`);
  });
  for (const { identity } of producers) await child.hub.addIdentity(identity);
  await child.hub.addIdentity(sink);
  const routes = { r: { route: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' } };
  await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
  const inHand: number[] = [];
  using consumer = new RawClient(child.port, sink, { onPublish: ({ messageId }) => inHand.push(messageId!) });
  await consumer.connected;
  await consumer.subscribe(`devices/${GATEWAY}/modules/sink/#`);
  const ended = producers.map((producer) => producer.run(child.port));
  const settling = setInterval(() => {
    const packetId = inHand.shift();
    if (packetId !== undefined) consumer.puback(packetId);
  }, SETTLE_MS);

  const samples = await sample(child, durationMs);
  clearInterval(settling);
  const acknowledged = producers.reduce((sum, { acked }) => sum + acked.length, 0);
  for (const producer of producers) producer.stop();
  await child.kill();
  await Promise.all(ended);
  const rise = riseOf(samples.slice(Math.floor(samples.length * WARM_UP_SHARE)));
  const breaches = producers.flatMap(({ faults }) => faults);
  if (rise > RISE_BYTES_MAX) breaches.push(`J6: anonymous memory rose by ${mb(rise)} MB`);
  const line = `${acknowledged} acknowledged, anonymous memory ${mb(samples.at(-1)!)} MB, rise ${mb(rise)} MB of ${mb(RISE_BYTES_MAX)} allowed`;
  return { breaches, line };
}

async function sample(child: HubChild, durationMs: number): Promise<number[]> {
  const samples: number[] = [];
  for (const end = performance.now() + durationMs; performance.now() < end;) {
    samples.push(child.anonymousBytes());
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  return samples;
}

/** How much the least-squares line through the samples rises from the first to the last. */
export function riseOf(samples: readonly number[]): number {
  const n = samples.length;
  const middle = (n - 1) / 2;
  const mean = samples.reduce((sum, bytes) => sum + bytes, 0) / n;
  let covariance = 0;
  let variance = 0;
  samples.forEach((bytes, i) => {
    covariance += (i - middle) * (bytes - mean);
    variance += (i - middle) ** 2;
  });
  return variance === 0 ? 0 : (covariance / variance) * (n - 1);
}

const mb = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
