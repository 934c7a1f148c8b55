/** What system modules report, in their twins: against a hub, with a clock that is moved by hand. */
import { expect, test } from "vitest";
import { reportedProperties, type AgentFacts } from "../../../host/agent/reported.ts";
import { hubReported, TwinReports, type TwinReportsOptions } from "../../../host/gateway/twin-reports.ts";
import { SandpiperError } from "../../../abi/index.ts";
import { handClock } from "../../support/hand-clock.ts";
import { GATEWAY, startHub, type TestHub } from "../../support/hub.ts";
import { keptLog } from "../../support/kept-log.ts";

const BURST_MS = 1_000;
const INTERVAL_MS = 30_000;

/** A hub, and reports to it of what `now` holds. */
async function bench(hub: TestHub, face: Partial<TwinReportsOptions["hub"]> = {}) {
  const clock = handClock();
  const log = keptLog();
  const now: { $edgeAgent: Record<string, unknown> } = { $edgeAgent: { state: "new" } };
  let writes = 0;
  const reports = new TwinReports({
    hub: {
      twin: (...of) => hub.hub.twin(...of),
      changeTwin: (...change) => {
        writes++;
        return hub.hub.changeTwin(...change);
      },
      ...face,
    },
    gatewayId: GATEWAY,
    clock,
    log,
    read: () => now,
  });
  const twin = async () => (await hub.hub.twin(GATEWAY, "$edgeAgent")).properties.reported;
  /** Lets the hub answer, which no clock of ours can. */
  const pass = async (ms: number) => {
    await clock.advance(ms);
    await hub.hub.twin(GATEWAY, "$edgeAgent");
    await clock.advance(0);
  };
  return { clock, log, now, reports, twin, pass, writes: () => writes };
}

test("a burst of changes is one write, and what has not changed is not written", async () => {
  await using hub = await startHub();
  const { now, reports, twin, pass, writes } = await bench(hub);
  for (let i = 0; i < 10; i++) {
    now.$edgeAgent["state"] = `at ${i}`;
    reports.changed();
  }
  await pass(BURST_MS - 1);
  expect(writes()).toBe(0);
  await pass(1);
  await expect.poll(writes).toBe(1);
  expect(await twin()).toMatchObject({ state: "at 9", $version: 2 });
  reports.changed();
  await pass(INTERVAL_MS);
  await reports.close();
  expect(writes()).toBe(1);
});

test("what changes all the time is written every 30 seconds, as what has changed of it", async () => {
  await using hub = await startHub();
  await hub.routes({ changes: "FROM /twinChangeNotifications INTO $upstream" });
  const { now, reports, pass, writes } = await bench(hub);
  for (let second = 0; second < 90; second++) {
    now.$edgeAgent = { state: "new", count: second, last: second % 2 === 0 ? null : { kind: "trap" } };
    reports.changed();
    await pass(1_000);
  }
  await reports.close();
  expect(writes()).toBeGreaterThanOrEqual(3);
  expect(writes()).toBeLessThanOrEqual(5);
  const { events } = await hub.hub.readEvents({ from: 0, limit: 10, waitMs: 0 });
  expect(events).toHaveLength(writes());
  const bodies = events.map(({ body }) => JSON.parse(Buffer.from(body).toString()) as object);
  expect(bodies[0]).toMatchObject({ state: "new", count: 0 });
  for (const body of bodies.slice(1)) expect(body).not.toHaveProperty("state");
  expect(events[0]!.moduleId).toBe("$edgeHub");
  const changed = events[0]!.systemProperties.map(({ value }) => value);
  expect(changed).toEqual(expect.arrayContaining([GATEWAY, "$edgeAgent", "twinChangeNotification"]));
});

test("a value that somebody else has patched comes back, and what is gone goes", async () => {
  await using hub = await startHub();
  const { now, reports, twin, pass } = await bench(hub);
  reports.changed();
  await pass(BURST_MS);
  await expect.poll(twin).toMatchObject({ state: "new" });
  const patch = { state: "forged", more: 1 };
  await hub.hub.changeTwin(GATEWAY, "$edgeAgent", { section: "reported", patch });
  now.$edgeAgent["long"] = "x".repeat(10_000);
  await reports.close();
  const { $metadata: _, ...reported } = (await twin()) as Record<string, unknown>;
  expect(reported).toEqual({ state: "new", long: `${"x".repeat(1_000)}...`, $version: 4 });
});

test("a hub that is away is told later; a report that no twin can hold is logged once", async () => {
  await using hub = await startHub();
  let isAway = true;
  const away = await bench(hub, {
    twin: async (...of) => {
      if (isAway) throw new SandpiperError("SP_HUB_DOWN", "hub: is being made again");
      return hub.hub.twin(...of);
    },
  });
  away.reports.changed();
  await away.pass(BURST_MS);
  expect(away.clock.armed).toBe(1);
  isAway = false;
  await away.pass(INTERVAL_MS);
  await expect.poll(away.twin).toMatchObject({ state: "new" });
  await away.reports.close();

  const wrong = await bench(hub);
  wrong.now.$edgeAgent = { "a.b": 1 };
  for (let i = 0; i < 3; i++) {
    wrong.reports.changed();
    await wrong.pass(INTERVAL_MS);
  }
  await wrong.reports.close();
  expect(wrong.log.kept.map(({ fields }) => fields["code"])).toEqual(["SP_TWIN_INVALID"]);
});

test("what the agent reports is what a twin may hold, and the hub's part says how its routes went", async () => {
  await using hub = await startHub();
  const facts: AgentFacts = {
    version: { version: "1.0.0", build: "", commit: "" },
    isStopped: true,
    startedAtMs: 0,
    lastDesiredVersion: 4,
    lastDesiredStatus: { code: 500, description: "rolled back" },
    deployment: null,
    modules: [],
  };
  const log = keptLog();
  const reports = new TwinReports({
    hub: hub.hub,
    gatewayId: GATEWAY,
    clock: handClock(),
    log,
    read: () => {
      const agent = reportedProperties(facts);
      return { $edgeAgent: agent, $edgeHub: hubReported(agent) };
    },
  });
  await reports.close();
  expect(log.kept).toEqual([]);
  const reportedOf = async (module: string) => (await hub.hub.twin(GATEWAY, module)).properties.reported;
  expect(await reportedOf("$edgeAgent")).toMatchObject({
    lastDesiredStatus: { code: 406 },
    systemModules: { edgeHub: { runtimeStatus: "unknown" } },
  });
  expect(await reportedOf("$edgeHub")).toMatchObject({
    schemaVersion: "1.0",
    version: { version: "1.0.0" },
    lastDesiredVersion: 4,
    lastDesiredStatus: { code: 400, description: "Agent is not running" },
  });
});
