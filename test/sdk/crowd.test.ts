/** Two hundred modules at once with Microsoft's SDK, a quarter over each transport, in a line of routes. */
import { readFileSync } from "node:fs";
import device, { type Message, type ModuleClient } from "azure-iot-device";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GATEWAY, SdkGateway, within, type SdkIdentity } from "./harness.ts";
import { TRANSPORTS } from "./transports.ts";

const CLIENTS = 200;
const MESSAGES = 5;
const TEST_MS = 180_000;
/** Connections are opened so many at a time: the test's own process has one thread for all of them. */
const OPENING = 20;
/** What the gateway may take beyond what it had: buffers and TLS of each connection, and what the garbage is. */
const BYTES_PER_CLIENT_MAX = 512 * 1024;

const nameOf = (i: number): string => `m${i}`;
/** Of the last one to the event log: a circle is refused. */
const ROUTES = Object.fromEntries(
  Array.from({ length: CLIENTS }, (_, i) => [
    `r${i}`,
    `FROM /messages/modules/${nameOf(i)}/outputs/out INTO ${i + 1 < CLIENTS ? `BrokeredEndpoint("/modules/${nameOf(i + 1)}/inputs/in")` : "$upstream"}`,
  ]),
);

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start(ROUTES);
});
afterAll(() => gateway[Symbol.asyncDispose]());

const residentBytes = (): number => {
  const status = readFileSync(`/proc/${gateway.process.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
};

async function inTurns<T, R>(items: readonly T[], work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += OPENING) {
    const turn = items.slice(at, at + OPENING);
    done.push(...(await Promise.all(turn.map((item, i) => work(item, at + i)))));
  }
  return done;
}

test(
  "each of two hundred modules sends to the next and hears from the one before, in order, and memory is bounded",
  async () => {
    const names = Array.from({ length: CLIENTS }, (_, i) => nameOf(i));
    const identities: SdkIdentity[] = await inTurns(names, gateway.module);
    const before = residentBytes();
    const received = names.map((): string[] => []);
    const clients: ModuleClient[] = await inTurns(identities, async (identity, i) => {
      const client = await gateway.moduleClient(TRANSPORTS[i % TRANSPORTS.length]!, identity);
      client.on("inputMessage", (_input: string, message: Message) => {
        received[i]!.push(message.getBytes().toString());
        client.complete(message, () => undefined);
      });
      return client;
    });
    expect(await gateway.connections()).toBe(CLIENTS);
    const texts = Array.from({ length: MESSAGES }, (_, n) => String(n));
    await within(
      "acknowledgements",
      Promise.all(
        clients.flatMap((client, i) =>
          texts.map((text) => client.sendOutputEvent("out", new device.Message(`${nameOf(i)} ${text}`))),
        ),
      ),
      30_000,
    );
    const sentBy = (i: number) => texts.map((text) => `${nameOf(i)} ${text}`);
    const expected = names.map((_, i) => (i === 0 ? [] : sentBy(i - 1)));
    await expect.poll(() => received, { timeout: 30_000 }).toEqual(expected);
    const waiting = async () =>
      (await gateway.management.queues()).filter(({ kind, length }) => kind === "input" && length > 0);
    await expect.poll(waiting).toEqual([]);
    expect(await gateway.bodies(`${GATEWAY}/${nameOf(CLIENTS - 1)}`)).toEqual(sentBy(CLIENTS - 1));
    const grown = residentBytes() - before;
    expect(grown).toBeLessThan(CLIENTS * BYTES_PER_CLIENT_MAX);
  },
  TEST_MS,
);
