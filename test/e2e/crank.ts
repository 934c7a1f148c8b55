/**
 * A module that does what a message tells it to, a gateway on which it runs, and a witness who notices when
 * anything happens to either.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MqttClient } from "mqtt";
import { expect } from "vitest";
import type { EventView, ModuleView } from "../../host/index.ts";
import { compileModule } from "../../toolchain/index.ts";
import { deploymentOf } from "../support/deployment.ts";
import { RunGateway } from "./run-gateway.ts";

export const MODULE = "crank";

/** Lines of interest are found by what stands in them. */
export const CRANK = `import { Message, emit, log } from "@sandpiper/module";

export function onOrder(order: string, body: Uint8Array): void {
  if (order == "loop") {
    while (true) {}
  }
  if (order == "trap") {
    throw new Error("told to");
  }
  emit("out", body);
}

// @ts-ignore: decorator
@input("in")
export function onIn(message: Message): void {
  const order = message.text();
  log.info(order);
  onOrder(order, message.body);
}
`;

/** One that does not get as far as its first message. */
export const STILLBORN = `import { Message, emit } from "@sandpiper/module";

function unlucky(): i32 {
  throw new Error("born under a bad sign");
}
const luck = unlucky();

// @ts-ignore: decorator
@input("in")
export function onIn(message: Message): void {
  if (luck > 0) emit("out", message.body);
}
`;

/** From 1. */
export const lineOf = (source: string, text: string): number =>
  source.slice(0, source.indexOf(text)).split("\n").length;

/** Compiles into `<name>.wasm` and its map, unsigned. */
export async function buildInto(gateway: RunGateway, name: string, source: string): Promise<void> {
  const { wasm, sourceMap } = await compileModule({ source, name: MODULE, release: false });
  await writeFile(join(gateway.root, `${name}.wasm`), wasm);
  await writeFile(join(gateway.root, `${name}.wasm.map`), sourceMap);
}

type Json = Record<string, never>;

export interface Manifest {
  modulesContent: {
    $edgeAgent: { "properties.desired": { modules: Record<string, Record<string, unknown>> } & object };
    $edgeHub: { "properties.desired": { routes: Record<string, unknown> } & object };
    [module: string]: { "properties.desired": object };
  };
}

/** The deployment that runs, as a value to change. */
export function manifest(settings: object = {}): Manifest {
  const whole = deploymentOf(MODULE, "in") as Manifest;
  const module = whole.modulesContent.$edgeAgent["properties.desired"].modules[MODULE]!;
  module["settings"] = {
    image: `file:${MODULE}.wasm`,
    createOptions: { sandpiper: { recordDeadlineMs: 100 } },
    ...settings,
  };
  return whole;
}

export async function writeManifest(gateway: RunGateway, content: Manifest | string | Json): Promise<string> {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  await writeFile(join(gateway.root, "deployment.json"), text);
  return "deployment.json";
}

/** A gateway with the module running, and the key `release.key` that signed it. */
export async function startCrank(id: string): Promise<RunGateway> {
  const gateway = await RunGateway.init(id);
  await gateway.does("keygen", "release.key");
  await gateway.does("trust", "add", "release.key.pub");
  await buildInto(gateway, MODULE, CRANK);
  await gateway.does("sign", "--key", "release.key", `${MODULE}.wasm`);
  await gateway.start();
  await gateway.does("apply", await writeManifest(gateway, manifest()));
  return gateway;
}

/** Beside the artifact, with its signature and map. */
export async function copyArtifact(gateway: RunGateway, to: string): Promise<void> {
  for (const suffix of ["", ".sig", ".map"]) {
    await copyFile(join(gateway.root, `${MODULE}.wasm${suffix}`), join(gateway.root, `${to}.wasm${suffix}`));
  }
}

export interface Event extends Omit<EventView, "properties"> {
  readonly body: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** A device whose messages must keep coming through, in order, while everything stays as it was. */
export class Witness {
  readonly #gateway: RunGateway;
  readonly #client: MqttClient;
  readonly #modules: readonly ModuleView[];
  #sent = 0;

  private constructor(gateway: RunGateway, client: MqttClient, modules: readonly ModuleView[]) {
    this.#gateway = gateway;
    this.#client = client;
    this.#modules = modules;
  }

  static async call(gateway: RunGateway): Promise<Witness> {
    await gateway.does("device", "add", "witness");
    const client = await gateway.connect("witness");
    return new Witness(gateway, client, await gateway.management.modules());
  }

  /** Whatever happened since the last time: the same modules run as ever, and messages flow as ever. */
  async seesNothing(): Promise<void> {
    const body = `still here ${this.#sent++}`;
    await this.#client.publishAsync("devices/witness/messages/events/", body, { qos: 1 });
    const expected = Array.from({ length: this.#sent }, (_, n) => `still here ${n}`);
    await expect.poll(() => this.#arrived(), { timeout: 5_000 }).toEqual(expected);
    expect(await this.#gateway.management.modules()).toEqual(this.#modules);
  }

  /** What came through the module. */
  async #arrived(): Promise<string[]> {
    const { events: all } = await this.#gateway.management.events({ from: 0, limit: 1000 });
    const bodies = all.map(({ bodyBase64 }) => Buffer.from(bodyBase64, "base64").toString());
    return bodies.filter((body) => body.startsWith("still here"));
  }

  async leave(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

export const events = (gateway: RunGateway): Promise<Event[]> =>
  gateway.lines<Event>("events", "--from", "0");
