/** `kill -9` while dead letters are replayed, on a real store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterAll, expect, test } from "vitest";
import { newKeys } from "../../../hub/identity/keys.ts";
import type { DeadLetter, Hub, KeyedIdentity, LetterPlace } from "../../../hub/face.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { until } from "../../support/faults/window.ts";
import { credentials, GATEWAY } from "../../support/hub.ts";
import { seeded } from "../../support/seed.ts";

const dir = mkdtempSync(join(tmpdir(), "sandpiper-replay-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const LETTERS = 24;
const ROUNDS = 2;
/** Replays that wait for their answer: the kill finds the next groups in the making. */
const WINDOW = 4;
/** A topic that a device may use, and that has no room for the name of an input in front of it. */
const TOPIC = `devices/d/messages/events/a=${"x".repeat(65_500)}`;

const connect = (child: HubChild, identity: KeyedIdentity) =>
  mqtt.connectAsync(`mqtt://127.0.0.1:${child.port}`, credentials(identity));

async function allLetters(hub: Hub): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let from: LetterPlace | undefined;
  do {
    const page = await hub.deadLetters({ from, limit: 1_000 });
    letters.push(...page.letters);
    from = page.next ?? undefined;
  } while (from !== undefined);
  return letters;
}

const lettersOf = async (hub: Hub): Promise<string[]> =>
  (await allLetters(hub)).map(({ message }) => Buffer.from(message.body).toString());
const offsetsOf = async (hub: Hub): Promise<number[]> => (await allLetters(hub)).map(({ offset }) => offset);

async function waiting(hub: Hub, name: string): Promise<number> {
  const rows = (await hub.queues()).filter(({ endpoint }) => endpoint === name);
  return rows.reduce((sum, { length }) => sum + length, 0);
}

test("a hub killed while it replays has each letter in exactly one place [J2 J8]", async () => {
  const { below } = seeded("replay kill rounds");
  const [device, sink] = [
    { deviceId: "d", ...newKeys(), enabled: true },
    { deviceId: GATEWAY, moduleId: "sink", ...newKeys(), enabled: true },
  ];
  const all = Array.from({ length: LETTERS }, (_, i) => `m${i}`);
  let child = await HubChild.start({ storeDir: dir });
  try {
    const route = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
    await child.hub.setRoutes({ routes: { r: { route } }, timeToLiveSecs: 7200 });
    for (const identity of [device, sink]) await child.hub.addIdentity(identity);
    /** A consumer by whose hand every message becomes a letter: its topic is too long. */
    const giveUp = async (): Promise<void> => {
      const consumer = await connect(child, sink);
      await consumer.subscribeAsync(`devices/${GATEWAY}/modules/sink/#`, { qos: 1 });
      await until("all given up", async () => (await waiting(child.hub, "$dlq/sink/in")) === LETTERS);
      await until("durable", async () => (await lettersOf(child.hub)).length === LETTERS);
      await consumer.endAsync(true);
    };
    const publisher = await connect(child, device);
    await Promise.all(all.map((body) => publisher.publishAsync(TOPIC, body, { qos: 1 })));
    await publisher.endAsync(true);
    await giveUp();

    for (let round = 0; round < ROUNDS; round++) {
      const offsets = await offsetsOf(child.hub);
      const killAt = 1 + below(LETTERS - 2 * WINDOW);
      let answered = 0;
      const replayNext = async (): Promise<void> => {
        for (
          let offset = offsets.shift();
          offset !== undefined && answered < killAt;
          offset = offsets.shift()
        ) {
          await child.hub.replayDeadLetters({ endpoint: "sink/in", offset });
          if (++answered === killAt) await child.kill();
        }
      };
      await Promise.allSettled(Array.from({ length: WINDOW }, replayNext));
      child = await HubChild.start({ storeDir: dir });
      const [left, back] = [await lettersOf(child.hub), await waiting(child.hub, "sink/in")];
      expect(left.length + back, `round ${round}`).toBe(LETTERS);
      expect(back, "what was answered was done [J1]").toBeGreaterThanOrEqual(killAt);
      expect(left.length, "it was killed on the way").toBeGreaterThan(0);
      await giveUp();
      expect((await lettersOf(child.hub)).toSorted()).toEqual(all.toSorted());
    }
  } finally {
    await child.kill();
  }
}, 60_000);
