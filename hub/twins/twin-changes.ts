/**
 * Changes of twins as messages that routes may take (contract §3.2, §9): from the hub's own module, with the
 * patch as the body, and whose twin it was as system properties.
 */
import { encodeProperties, PROPERTY_ID, sections, type Sections } from "../../abi/index.ts";
import { emit, type OutputPlan } from "../endpoints/fan-out.ts";
import type { Engine } from "../engine.ts";
import { hubOrigin, ownFrame } from "../own-message.ts";
import { TWIN_CHANGE_PATH } from "../router/source.ts";
import type { JsonObject } from "./limits.ts";
import type { TwinChanges, TwinName } from "./twins.ts";

const SCHEMA = "twinChangeNotification";
/** Application property that says which properties have changed. */
const SECTION = "twinSection";

export class TwinChangeMessages implements TwinChanges {
  readonly #engine: Engine;
  readonly #gatewayId: string;
  /** Where routes lead, and the version of their table that this was found under. */
  #targets: OutputPlan["targets"] = [];
  #version = 0;

  constructor(engine: Engine, gatewayId: string) {
    this.#engine = engine;
    this.#gatewayId = gatewayId;
  }

  get admits(): boolean {
    return !this.#engine.isStoreFull && !this.#targetsNow().some(({ endpoint }) => endpoint.isFull);
  }

  announce(name: TwinName, section: "desired" | "reported", patch: JsonObject): void {
    const engine = this.#engine;
    const targets = this.#targetsNow();
    if (targets.length === 0) return;
    engine.stepped();
    const origin = hubOrigin(this.#gatewayId);
    const plan: OutputPlan = { origin, sourceId: engine.sources.intern(origin), targets };
    const body = Buffer.from(JSON.stringify(patch));
    const message = { properties: propertiesOf(name, section), body, enqueuedMs: engine.wallNow };
    const block = ownFrame(engine, plan.sourceId, message);
    emit(block, 0, block.u8.length, plan, { ingress: engine });
  }

  #targetsNow(): OutputPlan["targets"] {
    const { routesVersion } = this.#engine;
    if (this.#version !== routesVersion) {
      this.#version = routesVersion;
      this.#targets = this.#engine.targets(TWIN_CHANGE_PATH);
    }
    return this.#targets;
  }
}

function propertiesOf({ deviceId, moduleId }: TwinName, section: string): Sections {
  const sys = [
    { id: PROPERTY_ID.CONTENT_TYPE, value: "application/json" },
    { id: PROPERTY_ID.CONTENT_ENCODING, value: "utf-8" },
    { id: PROPERTY_ID.MESSAGE_SCHEMA, value: SCHEMA },
    { id: PROPERTY_ID.CHANGED_DEVICE_ID, value: deviceId },
    ...(moduleId === null ? [] : [{ id: PROPERTY_ID.CHANGED_MODULE_ID, value: moduleId }]),
  ];
  return sections(encodeProperties(sys), encodeProperties([{ name: SECTION, value: section }]));
}
