/**
 * What the golden vectors say, assembled field by field from the specification: nothing of abi/ is used, so that
 * a change there cannot change them.
 */
import { bytesOf, f64, hex, text, u16, u32, u8, zeros, type Field } from "./hex-file.ts";

/** A property with an inline name (`id` 0) or a well-known one. */
function property(id: number, type: number, name: string, value: Buffer): Field[] {
  const nameBytes = Buffer.from(name, "utf8");
  const padding = (4 - ((12 + nameBytes.length + value.length) % 4)) % 4;
  return [
    u16("property name_id", id),
    u8("type", type),
    u8("flags", 0),
    u16("name_len", nameBytes.length),
    u16("reserved", 0),
    u32("value_len", value.length),
    ["name", nameBytes],
    ["value", value],
    zeros("padding", padding),
  ].filter(([, bytes]) => bytes.length > 0) as Field[];
}

const utf8 = (value: string): Buffer => Buffer.from(value, "utf8");

export const SYSTEM_SECTION: readonly Field[] = [
  ...property(1, 1, "", utf8("m-1")),
  ...property(6, 1, "", utf8("application/json")),
  ...property(7, 1, "", utf8("utf-8")),
];

export const APP_SECTION: readonly Field[] = [
  ...property(0, 1, "site", utf8("north")),
  ...property(0, 1, "grün", utf8("ö😀")),
  ...property(0, 0, "flag", Buffer.alloc(0)),
  ...property(0, 1, "", Buffer.alloc(0)),
];

export const TYPED_SECTION: readonly Field[] = [
  ...property(0, 2, "bool", Buffer.from([1])),
  ...property(0, 3, "i64", Buffer.from("fbffffffffffffff", "hex")),
  ...property(0, 4, "f64", f64("", 21.5)[1]),
  ...property(0, 5, "time", f64("", 1_600_000_000_000)[1]),
  ...property(0, 6, "binary", Buffer.from("010203ff", "hex")),
  ...property(0, 7, "uuid", Buffer.from("00112233445566778899aabbccddeeff", "hex")),
  ...property(0, 8, "u64", Buffer.from("ffffffffffffffff", "hex")),
];

export interface FrameFields {
  readonly hops: number;
  readonly source: number;
  readonly uid: string;
  readonly enqueued: number;
  readonly sys: readonly Field[];
  readonly app: readonly Field[];
  readonly ext: readonly Field[];
  readonly body: string;
}

const pad8 = (length: number): number => (8 - (length % 8)) % 8;

function frame({ hops, source, uid, enqueued, sys, app, ext, body }: FrameFields): Field[] {
  const sections = [sys, app, ext, [text("body", body)]];
  const lengths = sections.map((section) => bytesOf(section).length);
  const total = lengths.reduce((sum, length) => sum + length + pad8(length), 56);
  const padded = sections.flatMap((section, index) => [
    ...section,
    zeros("padding to 8", pad8(lengths[index]!)),
  ]);
  return [
    u8("frame version", 1),
    u8("hops", hops),
    u16("header_len", 56),
    u32("total_len", total),
    u32("source_id", source),
    u32("schema_id", 0),
    hex("uid", uid),
    f64("enqueued_wall", enqueued),
    u32("sys_len", lengths[0]!),
    u32("app_len", lengths[1]!),
    u32("ext_len", lengths[2]!),
    u32("body_len", lengths[3]!),
    ...padded.filter(([, bytes]) => bytes.length > 0),
  ];
}

const NO_UID = "0".repeat(32);
export const EMPTY_FRAME: readonly Field[] = frame({
  hops: 0,
  source: 0,
  uid: NO_UID,
  enqueued: 0,
  sys: [],
  app: [],
  ext: [],
  body: "",
});
export const FULL_FRAME: readonly Field[] = frame({
  hops: 0,
  source: 7,
  uid: "04030201050000000201000001000000",
  enqueued: 1_600_000_000_000.5,
  sys: SYSTEM_SECTION,
  app: APP_SECTION,
  ext: [],
  body: '{"celsius":41}',
});
/** What a hub may store and hand over: extensions, typed properties, hops. */
export const EXTENDED_FRAME: readonly Field[] = frame({
  hops: 3,
  source: 4294967294,
  uid: "ffffffffffffffffffffffffffffffff",
  enqueued: 0,
  sys: [],
  app: TYPED_SECTION,
  ext: [
    u16("extension type: trace parent", 1),
    u16("flags", 0),
    u32("len", 26),
    hex("trace parent", "000af7651916cd43dd8448eb211c80319cb7ad6b716920333101"),
  ],
  body: "body",
});

export function entry(kind: number, port: number, of: readonly Field[]): Field[] {
  return [
    u32("entry total_len", 32 + bytesOf(of).length),
    u16("kind", kind),
    u16("flags", 0),
    u16("header_len", 32),
    u16("port", port),
    u32("offset_lo", 5),
    u32("offset_hi", 1),
    u8("priority", 9),
    u8("attempt", 0),
    u16("reserved", 0),
    f64("deadline_powered", Infinity),
    ...of,
  ];
}

function batch(records: readonly (readonly Field[])[]): Field[] {
  const fields = records.flat();
  return [
    u32("batch magic SPB1", 0x31425053),
    u16("header_len", 64),
    u16("abi_minor", 0),
    u32("total_len", 64 + bytesOf(fields).length),
    u32("count", records.length),
    u32("seq_lo", 2),
    u32("seq_hi", 0),
    f64("now_wall", 1_600_000_000_500),
    f64("now_powered", 123_456),
    u32("budget_us", 1_000_000),
    u32("out_max", 1_048_576),
    u32("flags", 0),
    u32("config_version", 4),
    zeros("reserved", 8),
    ...fields,
  ];
}

/** A message for input 0, the timer 0, a message for input 1. */
export const BATCH_OF_THREE: readonly Field[] = batch([
  entry(1, 0, FULL_FRAME),
  entry(2, 0, []),
  entry(1, 1, EMPTY_FRAME),
]);

const CONFIG = '{"threshold":40}';
export const INIT_RECORD: readonly Field[] = [
  u32("init magic SPI1", 0x31495053),
  u16("header_len", 48),
  u16("abi_minor", 0),
  u32("features 0", 0),
  u32("features 1", 0),
  u32("features 2", 0),
  u32("features 3", 0),
  u32("record_max", 270_336),
  u32("result_max", 1_048_576),
  u32("config_version", 4),
  u32("config_len", CONFIG.length),
  u32("instance", 0),
  u32("reserved", 0),
  text("configuration", CONFIG),
];

export function effect(kind: number, port: number, cause: number, payload: readonly Field[]): Field[] {
  const length = bytesOf(payload).length;
  return [
    u32("effect total_len", 24 + length + pad8(length)),
    u16("kind", kind),
    u16("flags", 0),
    u16("header_len", 24),
    u16("port", port),
    u32("cause", cause),
    u32("corr_lo", 0),
    u32("corr_hi", 0),
    ...payload,
    ...(pad8(length) > 0 ? [zeros("padding to 8", pad8(length))] : []),
  ];
}

const EMITTED = frame({
  hops: 0,
  source: 0,
  uid: NO_UID,
  enqueued: 0,
  ext: [],
  body: "tick",
  sys: [...property(6, 1, "", utf8("text/plain")), ...property(7, 1, "", utf8("utf-8"))],
  app: property(0, 1, "level", utf8("high")),
});

function result(consumed: number, effects: readonly (readonly Field[])[]): Field[] {
  const fields = effects.flat();
  return [
    u32("result magic SPR1", 0x31525053),
    u16("header_len", 32),
    u16("abi_minor", 0),
    u32("total_len", 32 + bytesOf(fields).length),
    u32("count", effects.length),
    u32("consumed", consumed),
    u32("flags", 0),
    zeros("reserved", 8),
    ...fields,
  ];
}

/** Answers `BATCH_OF_THREE`: the first message is passed on, the timer sends one, the last is given up. */
export const RESULT_OF_THREE: readonly Field[] = result(3, [
  effect(2, 0, 0, [u32("record", 0), u32("reserved", 0)]),
  effect(1, 1, 1, EMITTED),
  effect(3, 0, 2, [u32("verdict: dead letter", 2), u32("retry_after_ms", 0), text("reason", "not for us")]),
]);

/** Written by the sandbox, never by a guest. */
export const KV_EFFECTS: readonly Field[] = [
  ...effect(4, 0, 0xffffffff, [
    u32("key length", 3),
    u32("value length", 2),
    text("key", "key"),
    hex("value", "00ff"),
  ]),
  ...effect(5, 0, 0xffffffff, [u32("key length", 3), u32("reserved", 0), text("key", "key")]),
];

export const VECTORS: Readonly<Record<string, readonly [title: string, fields: readonly Field[]]>> = {
  "properties-system": ["a section of system properties", SYSTEM_SECTION],
  "properties-application": [
    "a section of application properties: text, non-ASCII, no value, no name",
    APP_SECTION,
  ],
  "properties-typed": ["a property of each type beyond text", TYPED_SECTION],
  "frame-empty": ["the smallest frame, as a guest emits it", EMPTY_FRAME],
  "frame-full": ["a message as a device sent it", FULL_FRAME],
  "frame-extended": ["a frame with an extension and typed properties", EXTENDED_FRAME],
  entry: ["a MESSAGE entry in front of the smallest frame", entry(1, 2, EMPTY_FRAME)],
  init: ["the init record", INIT_RECORD],
  batch: ["a batch: a message for input 0, timer 0, a message for input 1", BATCH_OF_THREE],
  result: ["what a module answers to that batch: PASS, EMIT, VERDICT", RESULT_OF_THREE],
  "effects-kv": ["KV_PUT and KV_DEL", KV_EFFECTS],
};
