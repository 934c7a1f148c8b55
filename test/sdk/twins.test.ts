/** Twins as Microsoft's SDK has them, of devices and of modules, over each transport. */
import type { Client, ModuleClient, Twin } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SdkGateway, within, type SdkIdentity } from "./harness.ts";
import { TRANSPORTS, type Transport } from "./transports.ts";

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start();
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

/** Resolves with what the SDK tells of that version. It tells a new listener what it has, and then what comes. */
const desiredOf = (twin: Twin, version: number): Promise<Record<string, unknown>> =>
  within(
    `version ${version}`,
    new Promise((resolve) => {
      twin.on("properties.desired", (patch: Record<string, unknown>) => {
        if (patch["$version"] === version) resolve(patch);
      });
    }),
  );

const report = (twin: Twin, patch: object): Promise<void> =>
  within(
    "answer",
    new Promise((resolve, reject) =>
      twin.properties.reported.update(patch, (error: Error | null) => (error ? reject(error) : resolve())),
    ),
  );

const changeDesired = (identity: SdkIdentity, patch: object) =>
  gateway.management.changeTwin(identity, { section: "desired", patch });
const reportedOf = async (identity: SdkIdentity) =>
  (await gateway.management.twin(identity)).properties.reported;

const open = (transport: Transport, identity: SdkIdentity): Promise<Client | ModuleClient> =>
  identity.moduleId === undefined
    ? gateway.device(transport, identity)
    : gateway.moduleClient(transport, identity);

describe.each(TRANSPORTS)("over %s", (transport) => {
  test.for(["device", "module"] as const)(
    "a %s reads its twin, reports and takes back, and hears of desired properties",
    async (kind) => {
      const identity = await gateway.identity(`twin-${transport}`, kind === "module" ? "m" : undefined);
      await changeDesired(identity, { period: 5, nested: { "grad°C": [1, 2] } });
      const twin = await (await open(transport, identity)).getTwin();
      expect(twin.properties.desired).toMatchObject({
        period: 5,
        nested: { "grad°C": [1, 2] },
        $version: 2,
      });

      await report(twin, { firmware: { version: "1.2" }, spare: 1 });
      await report(twin, { spare: null, firmware: { build: 7 } });
      const reported = await reportedOf(identity);
      expect(reported).toMatchObject({ firmware: { version: "1.2", build: 7 }, $version: 3 });
      expect(reported).not.toHaveProperty("spare");

      await desiredOf(twin, 2);
      const [changed, again] = [desiredOf(twin, 3), desiredOf(twin, 4)];
      await changeDesired(identity, { mode: "eco", period: null });
      expect(await changed).toMatchObject({ mode: "eco", $version: 3 });
      await changeDesired(identity, { mode: "full" });
      expect(await again).toMatchObject({ mode: "full", $version: 4 });
      expect(twin.properties.desired).not.toHaveProperty("period");
    },
  );

  test("a patch that breaks a limit fails with a reason, and changes nothing", async () => {
    const identity = await gateway.identity(`limits-${transport}`);
    const twin = await (await gateway.device(transport, identity)).getTwin();
    const broken = [
      [{ "a b": 1 }, '"a b"'],
      [{ text: "x".repeat(4_097) }, "text"],
      [{ list: [null] }, "list"],
    ] as const;
    for (const [patch, why] of broken) {
      await expect(report(twin, patch)).rejects.toMatchObject({
        message: expect.stringContaining(why) as string,
      });
    }
    expect(await reportedOf(identity)).toMatchObject({ $version: 1 });
    await report(twin, { fine: true });
  });

  test("what was desired while a client was away is there when it is back, and what comes then is told", async () => {
    const identity = await gateway.identity(`away-${transport}`);
    const before = await gateway.device(transport, identity);
    await desiredOf(await before.getTwin(), 1);
    await before.close();
    await changeDesired(identity, { missed: true });
    const twin = await (await gateway.device(transport, identity)).getTwin();
    expect(twin.properties.desired).toMatchObject({ missed: true, $version: 2 });
    await desiredOf(twin, 2);
    const told = desiredOf(twin, 3);
    await changeDesired(identity, { missed: false });
    expect(await told).toMatchObject({ missed: false });
  });
});
