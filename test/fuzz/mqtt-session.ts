/** An MQTT session as a client of the hub might have it, with what is odd and still well-formed. */
import { generate, type IConnectPacket } from "mqtt-packet";
import {
  DISCONNECT,
  packet,
  PINGREQ,
  pubackPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "../hub/mqtt/raw-client.ts";
import { GATEWAY } from "../support/hub.ts";
import type { Draws } from "./draws.ts";
import type { Member } from "./population.ts";
import { piece, type Piece } from "./stream.ts";

const STEPS_MAX = 14;
/** Of ids that the hub gives to deliveries: it begins at 1. */
const DELIVERY_IDS = 24;
const BODY_BYTES_MAX = [1, 20, 400, 20_000, 300_000];
const PROPERTIES_MAX = 200;
const FILTERS_MAX = 600;

export function mqttSession(draws: Draws, member: Member): Piece[] {
  const pieces = [piece("CONNECT", connectOf(draws, member), true)];
  for (let steps = draws.below(STEPS_MAX); steps > 0; steps--) pieces.push(draws.pick(STEPS)(draws, member));
  if (draws.chance(50)) pieces.push(piece("DISCONNECT", DISCONNECT));
  return pieces;
}

function connectOf(draws: Draws, { name, path, token }: Member): Buffer {
  const will = {
    topic: `${path}/messages/events/`,
    payload: draws.bytes(draws.below(200)),
    qos: draws.below(2) as 0 | 1,
    retain: draws.chance(50),
  };
  const fields: IConnectPacket = {
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clientId: name,
    username: `${GATEWAY}/${name}/?api-version=2021-04-12&DeviceClientType=fuzz`,
    password: Buffer.from(token),
    clean: draws.chance(80),
    keepalive: draws.pick([0, 1, 60, 65_535]),
    ...(draws.chance(20) ? { will } : {}),
  };
  return generate(fields);
}

type Step = (draws: Draws, member: Member) => Piece;

const subscribe: Step = (draws, member) => {
  const filters = draws.chance(5)
    ? Array.from({ length: draws.below(FILTERS_MAX) + 1 }, (_, i) => `f/${i}/+/#`)
    : Array.from({ length: 1 + draws.below(3) }, () => filterOf(draws, member));
  return piece("SUBSCRIBE", subscribePacket(1 + draws.below(65_535), ...filters), draws.chance(50));
};

const unsubscribe: Step = (draws, member) =>
  piece("UNSUBSCRIBE", unsubscribePacket(1 + draws.below(65_535), filterOf(draws, member)));

const filterOf = (draws: Draws, { path }: Member): string =>
  draws.pick([
    `${path}/#`,
    `${path}/#`,
    `${path}/inputs/#`,
    `${path}/messages/devicebound/#`,
    "$iothub/twin/res/#",
    "$iothub/twin/PATCH/properties/desired/#",
    "$iothub/methods/POST/#",
    "devices/d1/modules/m1/#",
    `${"+/".repeat(draws.below(2_000))}#`,
  ]);

const telemetry: Step = (draws, { path }) => {
  const qos = draws.below(2) as 0 | 1;
  const payload = draws.chance(30)
    ? Buffer.from(JSON.stringify(bodyOf(draws)))
    : draws.bytes(draws.below(draws.pick(BODY_BYTES_MAX)));
  const topic = `${path}/messages/events/${bagOf(draws)}`;
  const fields = { topic, payload, qos, messageId: qos === 0 ? 0 : 1 + draws.below(65_535) };
  const flags = { dup: qos === 1 && draws.chance(10), retain: draws.chance(10) };
  return piece("PUBLISH telemetry", publishPacket({ ...fields, ...flags }), draws.chance(20));
};

const bodyOf = (draws: Draws): object => ({
  celsius: draws.pick([21, -1e308, null, "warm", { deep: [] }]),
  values: Array.from({ length: draws.below(50) }, (_, i) => i),
});

const bagOf = (draws: Draws): string => {
  const pairs = Array.from({ length: draws.chance(5) ? draws.below(PROPERTIES_MAX) : draws.below(6) }, () =>
    draws.pick(PAIRS)(draws),
  );
  return `${draws.chance(10) ? "?" : ""}${pairs.join("&")}${pairs.length > 0 && draws.chance(50) ? "/" : ""}`;
};

const PAIRS: readonly ((draws: Draws) => string)[] = [
  (draws) => `kind=${draws.below(8)}`,
  () => "%24.ct=application%2Fjson&%24.ce=utf-8",
  (draws) => `%24.on=out${draws.below(20)}`,
  (draws) => `p${draws.below(1_000)}=${"%F0%9F%98%80".repeat(draws.below(50))}`,
  (draws) => `${"n".repeat(draws.below(400))}=1`,
  () => "bad=%zz",
  () => "half=%F0%9F",
  () => "nul=%00",
  () => "=nameless",
  () => "$.cdid=canary-mqtt&$.cmid=x",
  () => "$.exp=9999-99-99T99:99:99Z&$.ctime=x",
  () => "mqtt-qos=0",
  () => "&&&==%%",
];

/** Requests by topic: right, nearly right and far off. */
const request: Step = (draws, { path }) => {
  const rid = draws.pick(["1", "2", "x".repeat(draws.below(60_000)), "%24", ""]);
  const topic = draws.pick([
    `$iothub/twin/GET/?$rid=${rid}`,
    `$iothub/twin/PATCH/properties/reported/?$rid=${rid}`,
    `$iothub/twin/PATCH/properties/reported/?$rid=${rid}&$version=1`,
    `$iothub/methods/res/${draws.pick(["200", "-1", "999999999", "abc"])}/?$rid=${rid}`,
    "$iothub/twin/",
    `${"a/".repeat(draws.below(30_000))}b`,
    `${path}/messages/devicebound/x`,
  ]);
  return piece("PUBLISH request", rawPublish(topic, patchOf(draws)), draws.chance(40));
};

const patchOf = (draws: Draws): Buffer =>
  draws.pick([
    () => Buffer.alloc(0),
    () => Buffer.from(JSON.stringify({ [`k${draws.below(40)}`]: draws.pick([1, null, "x", { a: [1] }]) })),
    () => Buffer.from(JSON.stringify({ big: "x".repeat(draws.below(40_000)) })),
    () => Buffer.from(`${'{"a":'.repeat(draws.below(10_000))}1`),
    () => Buffer.from(`${'{"a":'.repeat(12)}1${"}".repeat(12)}`),
    () => Buffer.from('{"__proto__":{"x":1},"constructor":{"prototype":1},"$version":7}'),
    () => draws.bytes(draws.below(300)),
  ])();

/** By hand: mqtt-packet would not write every topic. */
function rawPublish(topic: string, payload: Buffer): Buffer {
  const name = Buffer.from(topic).subarray(0, 65_535);
  return packet(0x30, Buffer.concat([Buffer.from([name.length >> 8, name.length & 255]), name, payload]));
}

const puback: Step = (draws) => piece("PUBACK", pubackPacket(1 + draws.below(DELIVERY_IDS)));
const ping: Step = (draws) => piece("PINGREQ", PINGREQ, draws.chance(30));
/** Now and then what no client sends: most sessions should go on. */
const rarity: Step = (draws) =>
  draws.chance(25)
    ? piece("other packet", packet(draws.below(256), draws.bytes(draws.below(40))))
    : piece("PUBACK", pubackPacket(1 + draws.below(DELIVERY_IDS)));

const STEPS: readonly Step[] = [
  subscribe,
  subscribe,
  telemetry,
  telemetry,
  telemetry,
  telemetry,
  request,
  request,
  puback,
  puback,
  unsubscribe,
  ping,
  rarity,
];
