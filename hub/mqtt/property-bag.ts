/**
 * The property bag at the end of a topic (contract §4.6), to a frame's property sections and back.
 *
 * What the hub itself knows of a message, its sender above all, never comes out of a bag or a section: those
 * names are dropped on the way in and written from the source on the way out, so no sender can pass for
 * another.
 */
import {
  appLength,
  appStart,
  decodeProperties,
  encodeProperties,
  PROPERTIES_MAX,
  PROPERTY_ID,
  PROPERTY_NAME_BYTES_MAX,
  sections,
  sysLength,
  sysStart,
  SYSTEM_PROPERTIES,
  type Block,
  type Property,
  type Sections,
} from "../../abi/index.ts";
import { escapeStrictly } from "../identity/percent-encoding.ts";
import { HUB_MODULE } from "../sources.ts";
import { parseQuery } from "./query-string.ts";

const OUTPUT_KEY = "$.on";
const SOURCE_DEVICE_KEY = "$.cdid";
const SOURCE_MODULE_KEY = "$.cmid";
const HUB_KEYS: ReadonlySet<string> = new Set([OUTPUT_KEY, SOURCE_DEVICE_KEY, SOURCE_MODULE_KEY]);

const ID_BY_KEY: ReadonlyMap<string, number> = new Map(
  SYSTEM_PROPERTIES.flatMap(({ bag }, id) => (bag === "" ? [] : [[bag, id] as const])),
);

/** A frame may hold more: `withArrival` adds up to two. */
export const BAG_PROPERTIES_MAX = PROPERTIES_MAX - 2;

export type DecodedBag =
  | { readonly ok: true; readonly output: string | null; readonly sections: Sections }
  | { readonly ok: false; readonly reason: string };

const refuse = (reason: string): DecodedBag => ({ ok: false, reason });

/** `bag`: without the slashes around it; a leading `?` is allowed. Unknown `$.` names are application properties. */
export function decodeBag(bag: string): DecodedBag {
  const query = bag.startsWith("?") ? bag.slice(1) : bag;
  const pairs = parseQuery(query, BAG_PROPERTIES_MAX, "last");
  if (pairs === undefined) {
    return refuse(`a percent-escape is malformed, or there are more than ${BAG_PROPERTIES_MAX} properties`);
  }
  const sys: { id: number; value: string | null }[] = [];
  const app: { name: string; value: string | null }[] = [];
  for (const [name, value] of pairs) {
    const id = ID_BY_KEY.get(name);
    if (id !== undefined) sys.push({ id, value });
    else if (name === "") return refuse("a property has no name");
    else if (Buffer.byteLength(name) > PROPERTY_NAME_BYTES_MAX) return refuse("a property name is too long");
    else if (!HUB_KEYS.has(name)) app.push({ name, value });
  }
  const output = pairs.get(OUTPUT_KEY) ?? null;
  return {
    ok: true,
    output: output === "" ? null : output,
    sections: sections(encodeProperties(sys), encodeProperties(app)),
  };
}

/** What the hub adds to a message because of how it came (contract §4.2). */
export interface Arrival {
  readonly dup?: boolean;
  readonly retain?: boolean;
  readonly isWill?: boolean;
}

/** `base` and what its arrival adds. Make it once per topic and kind of arrival. */
export function withArrival(base: Sections, { dup, retain, isWill }: Arrival): Sections {
  const app: { name: string; value: string }[] = [];
  if (retain === true) app.push({ name: "mqtt-retain", value: "true" });
  if (dup === true) app.push({ name: "mqtt-dup", value: "true" });
  const sys = isWill === true ? [{ id: PROPERTY_ID.MESSAGE_TYPE, value: "Will" }] : [];
  if (sys.length + app.length === 0) return base;
  return sections(
    Buffer.concat([base.sys.subarray(0, base.sysLength), encodeProperties(sys)]),
    Buffer.concat([base.app.subarray(0, base.appLength), encodeProperties(app)]),
  );
}

/** Who sent a message, as the hub knows it. */
export interface MessageSource {
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly output: string | null;
}

/**
 * The bag of the frame at `at`. Never empty: it begins with the source; of the hub's own notifications, that is
 * whose twin has changed (contract §5.4). `source` `null`: there is none to be told.
 */
export function encodeBag(block: Block, at: number, source: MessageSource | null): string {
  const sys = sysStart(block, at);
  const system = decodeProperties(block, sys, sys + sysLength(block, at));
  const pairs = source === null ? [] : sourcePairs(source, system);
  for (const property of system) {
    const key = bagKey(property);
    if (key !== null) pairs.push(pair(key, property.value));
  }
  const app = appStart(block, at);
  for (const property of decodeProperties(block, app, app + appLength(block, at))) {
    const key = bagKey(property);
    if (key !== null) pairs.push(pair(key, property.value));
  }
  return pairs.join("&");
}

function sourcePairs(source: MessageSource, system: readonly Property[]): string[] {
  const { deviceId, moduleId } = source.moduleId === HUB_MODULE ? (changedTwin(system) ?? source) : source;
  const pairs = [pair(SOURCE_DEVICE_KEY, deviceId)];
  if (moduleId !== null) pairs.push(pair(SOURCE_MODULE_KEY, moduleId));
  if (source.output !== null) pairs.push(pair(OUTPUT_KEY, source.output));
  return pairs;
}

function changedTwin(system: readonly Property[]): Omit<MessageSource, "output"> | null {
  const deviceId = system.find(({ id }) => id === PROPERTY_ID.CHANGED_DEVICE_ID)?.value;
  const moduleId = system.find(({ id }) => id === PROPERTY_ID.CHANGED_MODULE_ID)?.value ?? null;
  return deviceId === undefined || deviceId === null ? null : { deviceId, moduleId };
}

/** `null`: not to be sent. A module may write any name into a frame, also one that is not its to set. */
function bagKey({ id, name }: Property): string | null {
  if (id !== 0) return SYSTEM_PROPERTIES[id]?.bag || null;
  return name === "" || HUB_KEYS.has(name) ? null : name;
}

const pair = (name: string, value: string | null): string =>
  value === null ? escapeStrictly(name) : `${escapeStrictly(name)}=${escapeStrictly(value)}`;
