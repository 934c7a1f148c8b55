/**
 * The process under measurement: a hub in its thread, the counter module in its worker. `gateway-protocol.ts` says
 * what it is told and what it answers.
 */
import { createInterface } from "node:readline";
import { toErrorRecord } from "../../abi/index.ts";
import { createParts, type GatewayParts } from "./gateway-parts.ts";
import type { GatewayAnswer, GatewayConfig, GatewayReady, GatewayRequest } from "./gateway-protocol.ts";

async function start({ hub, modules, threads }: GatewayParts, config: GatewayConfig): Promise<GatewayReady> {
  const { gatewayId, storeDir, store, isAmqp } = config;
  const protocols = isAmqp ? (["mqtt", "amqp"] as const) : (["mqtt"] as const);
  const listeners = protocols.map((protocol) => ({ protocol, host: "127.0.0.1", port: 0 }));
  const started = await hub.start({ gatewayId, storeDir, store, listeners });
  // All at once: they share their groups, where one by one each would wait for a flush of its own.
  await Promise.all(config.identities.map((identity) => hub.addIdentity(identity)));
  for (const name of config.modules) await modules.start(name);
  await hub.setRoutes(config.routes);
  const { recoveryMs, recovered } = started;
  const [port = 0, amqpPort = 0] = started.listeners.map((listener) => listener.port);
  return { port, amqpPort, pid: process.pid, recoveryMs, recovered, threads: [...threads] };
}

async function answer(work: Promise<object>): Promise<void> {
  const line: GatewayAnswer<object> = await work.then(
    (ok) => ({ ok }),
    (error: unknown) => ({ error: toErrorRecord(error) }),
  );
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function serve({ hub, modules }: GatewayParts, request: GatewayRequest): Promise<object> {
  switch (request.request) {
    case "start module":
      return modules.start(request.name);
    case "restart module":
      return modules.restart(request.name);
    case "status":
      return hub.status();
    case "compact":
      return hub.compact();
  }
}

let parts: GatewayParts | undefined;

let stopping: Promise<void> | undefined;

const stop = (): Promise<void> => (stopping ??= stopParts());

async function stopParts(): Promise<void> {
  await parts?.modules.stop();
  await parts?.hub.close();
  process.exit();
}

async function configure(line: string): Promise<GatewayReady> {
  const config = JSON.parse(line) as GatewayConfig;
  parts = await createParts(config.wasmFile);
  return start(parts, config);
}

process.on("SIGTERM", () => void stop());
for await (const line of createInterface({ input: process.stdin })) {
  await answer(parts === undefined ? configure(line) : serve(parts, JSON.parse(line) as GatewayRequest));
}
await stop();
