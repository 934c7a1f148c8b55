/** An AMQP connection as a client of the hub might have it, with what is odd and still well-formed. */
import rhea from "rhea";
import termini from "rhea/lib/terminus.js";
import { frame, HEADER, SASL_HEADER, saslFrame } from "../hub/amqp/wire.ts";
import { GATEWAY } from "../support/hub.ts";
import { oddValue } from "./amqp-value.ts";
import type { Draws } from "./draws.ts";
import type { Member } from "./population.ts";
import { piece, type Piece } from "./stream.ts";

const STEPS_MAX = 16;
const CHANNELS_MAX = 3;
/** Of ids that the hub gives to deliveries: it begins at 0. */
const DELIVERY_IDS = 24;
const BODY_BYTES_MAX = [1, 20, 400, 20_000];
/** Of a message, in one frame of 64 KB. */
const PART_BYTES_MAX = 60_000;
const BATCH_FORMAT = 0x80013700;
const UINT_MAX = 0xffffffff;
/** Values at which counters turn, and those beyond what is sensible. */
const EXTREMES = [0, 1, 2, 100, 2_048, 65_535, 0x7fffffff, 0x80000000, 0xfffffffe, UINT_MAX];
const AUDIENCE_TYPE = "servicebus.windows.net:sastoken";

/** What a connection under way has used up. */
interface Talk {
  readonly draws: Draws;
  readonly member: Member;
  readonly channels: Channel[];
}

interface Channel {
  readonly id: number;
  nextDelivery: number;
  nextTransfer: number;
  /** By handle: what the link is for. */
  readonly links: string[];
}

export function amqpSession(draws: Draws, member: Member): Piece[] {
  const talk: Talk = { draws, member, channels: [] };
  const hasToken = draws.chance(70);
  const pieces = hasToken ? plainLogin(member) : anonymousLogin(draws);
  pieces.push(piece("header", HEADER), piece("OPEN", openOf(draws)), begin(talk));
  if (!hasToken) pieces.push(...tokenByMessage(talk));
  pieces.push(attach(talk, "events"));
  for (let steps = draws.below(STEPS_MAX); steps > 0; steps--) pieces.push(draws.pick(STEPS)(talk));
  if (draws.chance(40)) pieces.push(piece("END", frame("end", {}, draws.pick(talk.channels).id)));
  if (draws.chance(50)) pieces.push(piece("CLOSE", frame("close", {})));
  return pieces;
}

function plainLogin({ path, token }: Member): Piece[] {
  const user = `${path.replace("devices/", "")}@sas.${GATEWAY}`;
  const response = Buffer.from(`\0${user}\0${token}`);
  return [
    piece("SASL header", SASL_HEADER),
    piece("SASL-INIT", saslFrame("sasl_init", { mechanism: "PLAIN", initial_response: response }), true),
  ];
}

function anonymousLogin(draws: Draws): Piece[] {
  if (draws.chance(40)) return []; // a bare header is let in, too
  const mechanism = draws.pick(["ANONYMOUS", "MSSBCBS"]);
  return [piece("SASL header", SASL_HEADER), piece("SASL-INIT", saslFrame("sasl_init", { mechanism }), true)];
}

const openOf = (draws: Draws): Buffer =>
  frame("open", {
    container_id: draws.chance(5) ? "c".repeat(draws.below(7_000)) : "fuzz",
    hostname: GATEWAY,
    max_frame_size: draws.pick([512, 4_096, 65_536, UINT_MAX]),
    channel_max: draws.pick([0, 65_535]),
    idle_time_out: draws.pick([0, 10_000, 240_000, UINT_MAX]),
  });

function begin(talk: Talk): Piece {
  const { draws, channels } = talk;
  const id = channels.length;
  channels.push({ id, nextDelivery: 0, nextTransfer: 0, links: [] });
  const fields = {
    next_outgoing_id: 0,
    incoming_window: draws.pick([1, 100, 5_000]),
    outgoing_window: 5_000,
  };
  return piece("BEGIN", frame("begin", fields, id));
}

/** The token node: both links, then a token in a message. */
function tokenByMessage(talk: Talk): Piece[] {
  return [attach(talk, "cbs out"), attach(talk, "cbs in"), putToken(talk)];
}

function putToken(talk: Talk): Piece {
  const { path, token } = talk.member;
  const body = rhea.message.encode({
    message_id: "1",
    reply_to: "cbs",
    application_properties: { operation: "put-token", type: AUDIENCE_TYPE, name: `${GATEWAY}/${path}` },
    body: token,
  });
  return transfer(talk, "cbs in", body);
}

/** By what a link is for: the end of its address, and whether the client receives. */
const LINKS: Readonly<Record<string, { readonly end: string; readonly isReceiver: boolean }>> = {
  "cbs in": { end: "$cbs", isReceiver: false },
  "cbs out": { end: "$cbs", isReceiver: true },
  events: { end: "/messages/events", isReceiver: false },
  inputs: { end: "/messages/events", isReceiver: true },
  devicebound: { end: "/messages/devicebound", isReceiver: true },
  "twin in": { end: "/twin", isReceiver: false },
  "twin out": { end: "/twin", isReceiver: true },
  "methods in": { end: "/methods/devicebound", isReceiver: false },
  "methods out": { end: "/methods/devicebound", isReceiver: true },
  nowhere: { end: "/nowhere/%ff", isReceiver: true },
};
const PURPOSES = Object.keys(LINKS);

function attach({ draws, member, channels }: Talk, purpose: string): Piece {
  const channel = draws.pick(channels);
  const { end, isReceiver } = LINKS[purpose]!;
  const address = end === "$cbs" ? end : `/${member.path}${end}`;
  const [source, target] = isReceiver ? [address, "client"] : ["client", address];
  const properties = {
    "com.microsoft:api-version": "2021-04-12",
    "com.microsoft:channel-correlation-id": draws.pick(["twin:1", "methods:1", "2"]),
  };
  const fields = {
    name: `${purpose} ${channel.links.length}${draws.chance(3) ? "n".repeat(300) : ""}`,
    handle: channel.links.push(purpose) - 1,
    role: isReceiver,
    snd_settle_mode: draws.below(3),
    rcv_settle_mode: draws.below(2),
    source: termini.source({ address: source }).described(),
    target: termini.target({ address: target }).described(),
    ...(isReceiver ? {} : { initial_delivery_count: draws.pick(EXTREMES) }),
    max_message_size: draws.pick(EXTREMES),
    properties,
  };
  const attached = frame("attach", fields, channel.id);
  if (!isReceiver) return piece("ATTACH", attached, true);
  const handle = channel.links.length - 1;
  return piece("ATTACH", Buffer.concat([attached, flowFrame(draws, channel, handle, 100)]), true);
}

function flowFrame(
  draws: Draws,
  { id, nextTransfer }: Channel,
  handle: number | null,
  credit: number,
): Buffer {
  const session = {
    next_incoming_id: 0,
    incoming_window: 5_000,
    next_outgoing_id: nextTransfer,
    outgoing_window: 5_000,
  };
  const link = { handle, delivery_count: 0, link_credit: credit, drain: draws.chance(10) };
  return frame("flow", { ...session, ...(handle === null ? {} : link), echo: draws.chance(20) }, id);
}

/** On the newest link for a purpose, or on one that may not be there. */
function transfer({ draws, channels }: Talk, purpose: string, message: Buffer, format = 0): Piece {
  const channel = channels.find(({ links }) => links.includes(purpose)) ?? channels[0]!;
  const handle = Math.max(0, channel.links.lastIndexOf(purpose));
  const id = channel.nextDelivery++;
  const settled = draws.chance(20);
  const tag = Buffer.from(`t${id}`);
  const drawn = draws.chance(20) ? 1 + draws.below(5) : 1;
  const parts = Math.max(drawn, Math.ceil(message.length / PART_BYTES_MAX));
  const frames: Buffer[] = [];
  for (let part = 0; part < parts; part++) {
    channel.nextTransfer++;
    const bytes = message.subarray(
      Math.floor((message.length * part) / parts),
      Math.floor((message.length * (part + 1)) / parts),
    );
    const more = part < parts - 1;
    const first = { delivery_id: id, delivery_tag: tag, message_format: format, settled };
    const aborted = parts > 1 && !more && draws.chance(10);
    const fields = { handle, ...(part === 0 ? first : {}), more, ...(aborted ? { aborted } : {}) };
    frames.push(frame("transfer", fields, channel.id, bytes));
  }
  return piece("TRANSFER", Buffer.concat(frames), draws.chance(30));
}

type Step = (talk: Talk) => Piece;

const message = (draws: Draws): Buffer => {
  const properties = Object.fromEntries(
    Array.from({ length: draws.chance(5) ? draws.below(300) : draws.below(5) }, (_, i) => [
      draws.pick(["kind", "iothub-outputname", "iothub-creation-time-utc", "$.on", `p${i}`]),
      draws.pick<unknown>([
        "1",
        2,
        true,
        null,
        -1.5,
        rhea.types.wrap_ulong(7),
        "x".repeat(draws.below(2_000)),
      ]),
    ]),
  );
  return rhea.message.encode({
    message_id: draws.pick<string | undefined>(["m", undefined]),
    user_id: draws.chance(20) ? Buffer.from([255, 254]) : undefined,
    content_type: draws.pick(["application/json", "x"]),
    absolute_expiry_time: draws.pick([undefined, 8.64e15, -1]),
    application_properties: properties,
    body: rhea.message.data_section(draws.bytes(draws.below(draws.pick(BODY_BYTES_MAX)))),
  });
};

const send: Step = (talk) => transfer(talk, "events", message(talk.draws));

const sendBatch: Step = (talk) => {
  const inner = Array.from({ length: talk.draws.below(20) }, () => message(talk.draws));
  const batch = rhea.message.encode({ body: rhea.message.data_sections(inner) });
  return transfer(talk, "events", batch, BATCH_FORMAT);
};

/** A value that has no sensible size or depth, where a message's section or a frame's field should be. */
const sendOdd: Step = (talk) => {
  const { draws } = talk;
  const section = draws.pick([0x70, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78]);
  const body = Buffer.concat([Buffer.from([0, 0x53, section]), oddValue(draws)]);
  return transfer(talk, draws.pick(["events", "twin in", "cbs in"]), body);
};

const twinRequest: Step = (talk) => {
  const { draws } = talk;
  const body = rhea.message.encode({
    correlation_id: draws.pick(["1", "x".repeat(draws.below(3_000))]),
    message_annotations: {
      operation: draws.pick(["GET", "PATCH", "PUT", "DELETE", "NONE"]),
      resource: draws.pick(["", "/properties/reported", "/notifications/twin/properties/desired"]),
    },
    body: rhea.message.data_section(
      Buffer.from(draws.pick(['{"a":1}', '{"a":null}', "[", '{"a":{"b":{"c":1}}}'])),
    ),
  });
  return transfer(talk, "twin in", body);
};

const unfinished: Step = ({ draws, channels }) => {
  const channel = draws.pick(channels);
  const handle = Math.max(0, channel.links.lastIndexOf("events"));
  const first = { handle, delivery_id: channel.nextDelivery++, delivery_tag: Buffer.from("u"), more: true };
  const parts = Array.from({ length: 1 + draws.below(20) }, (_, i) =>
    frame("transfer", i === 0 ? first : { handle, more: true }, channel.id, Buffer.alloc(PART_BYTES_MAX, i)),
  );
  channel.nextTransfer += parts.length;
  return piece("TRANSFER unfinished", Buffer.concat(parts));
};

const flow: Step = ({ draws, channels }) => {
  const channel = draws.pick(channels);
  const handle = draws.chance(80) ? draws.below(channel.links.length + 1) : null;
  if (draws.chance(50)) return piece("FLOW", flowFrame(draws, channel, handle, draws.pick(EXTREMES)));
  const extreme = (): number => draws.pick(EXTREMES);
  const session = {
    next_incoming_id: extreme(),
    incoming_window: extreme(),
    next_outgoing_id: extreme(),
    outgoing_window: extreme(),
  };
  const link = { handle, delivery_count: extreme(), link_credit: extreme(), drain: draws.chance(50) };
  return piece(
    "FLOW",
    frame("flow", { ...session, ...(handle === null ? {} : link), echo: draws.chance(50) }, channel.id),
  );
};

const outcomes = rhea.message as unknown as Record<string, (fields: object) => { described(): object }>;

const disposition: Step = ({ draws, channels }) => {
  const first = draws.chance(80) ? draws.below(DELIVERY_IDS) : draws.pick(EXTREMES);
  const last = draws.pick([first, (first + draws.below(DELIVERY_IDS)) >>> 0, ...EXTREMES]);
  const outcome = draws.pick(["accepted", "rejected", "released", "modified", "received"]);
  const state = draws.chance(80)
    ? {
        state: outcomes[outcome]!(
          outcome === "received" ? { section_number: 0, section_offset: 0 } : {},
        ).described(),
      }
    : {};
  const fields = { role: draws.chance(80), first, last, settled: draws.chance(60), ...state };
  return piece("DISPOSITION", frame("disposition", fields, draws.pick(channels).id));
};

const detach: Step = ({ draws, channels }) => {
  const channel = draws.pick(channels);
  const handle = draws.chance(80) ? draws.below(channel.links.length + 1) : draws.pick(EXTREMES);
  return piece("DETACH", frame("detach", { handle, closed: draws.chance(80) }, channel.id));
};

const attachAny: Step = (talk) => attach(talk, talk.draws.pick(PURPOSES));

const beginAnother: Step = (talk) =>
  talk.channels.length < CHANNELS_MAX
    ? begin(talk)
    : piece("empty frame", Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]));

const STEPS: readonly Step[] = [
  send,
  send,
  send,
  sendBatch,
  sendOdd,
  twinRequest,
  unfinished,
  flow,
  flow,
  disposition,
  disposition,
  detach,
  attachAny,
  attachAny,
  attachAny,
  beginAnother,
];
