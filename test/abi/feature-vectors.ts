/** Golden vectors of ABI 1.1: records and effects of twins, methods and calls of others. As in `vectors.ts`. */
import { bytesOf, f64, text, u16, u32, u8, zeros, type Field } from "./hex-file.ts";
import { effect } from "./vectors.ts";

const CONTROL = 4;
const pad8 = (length: number): number => (8 - (length % 8)) % 8;

function controlRecord(kind: number, payload: readonly Field[]): Field[] {
  const length = bytesOf(payload).length;
  return [
    u32("entry total_len", 32 + length + pad8(length)),
    u16("kind", kind),
    u16("flags: control", CONTROL),
    u16("header_len", 32),
    u16("port", 0),
    u32("offset_lo", 0),
    u32("offset_hi", 0),
    u8("priority", 0),
    u8("attempt", 0),
    u16("reserved", 0),
    f64("deadline_powered", Infinity),
    ...payload,
    ...(pad8(length) > 0 ? [zeros("padding to 8", pad8(length))] : []),
  ];
}

/** The same effect with a correlation. */
function correlated(fields: readonly Field[], lo: number, hi: number): Field[] {
  return fields.map((field) => {
    if (field[0] === "corr_lo") return u32("corr_lo", lo);
    return field[0] === "corr_hi" ? u32("corr_hi", hi) : field;
  });
}

export const PATCH = '{"threshold":41,"old":null}';
export const WHOLE = '{"threshold":41}';
export const RECORD_DESIRED = controlRecord(5, [
  u32("version", 7),
  u32("flags", 0),
  u32("patch_len", PATCH.length),
  u32("whole_len", WHOLE.length),
  text("patch", PATCH),
  text("whole", WHOLE),
]);

export const REQUEST = '{"how":"now"}';
export const RECORD_METHOD = controlRecord(3, [
  u32("corr_lo", 9),
  u32("corr_hi", 1),
  u32("name_len", 5),
  u32("payload_len", REQUEST.length),
  text("name", "reset"),
  text("payload", REQUEST),
]);

export const RECORD_REPLY = controlRecord(6, [
  u32("corr_lo", 3),
  u32("corr_hi", 2),
  u32("status: offline", 2 ** 32 - 404),
  u32("length", 15),
  text("answer", '{"message":"x"}'),
]);

export const FEATURE_EFFECTS: readonly Field[] = [
  ...effect(8, 0, 0, [u32("length", 10), u32("reserved", 0), text("patch", '{"seen":1}')]),
  ...correlated(effect(9, 0, 0, [u32("status", 200), u32("length", 4), text("answer", "true")]), 9, 1),
  ...correlated(
    effect(10, 0, 0xffffffff, [
      u32("device_len", 6),
      u32("module_len", 5),
      u32("name_len", 4),
      u32("payload_len", 2),
      u32("timeout_secs", 10),
      u32("reserved", 0),
      text("device", "press1"),
      text("module", "valve"),
      text("name", "open"),
      text("payload", "17"),
    ]),
    3,
    2,
  ),
];

export const FEATURE_VECTORS: Readonly<Record<string, readonly [title: string, fields: readonly Field[]]>> = {
  "record-desired": ["a DESIRED record", RECORD_DESIRED],
  "record-method": ["a METHOD record", RECORD_METHOD],
  "record-reply": ["a REPLY record: nobody is there", RECORD_REPLY],
  "effects-features": ["REPORT, METHOD_REPLY and INVOKE", FEATURE_EFFECTS],
};
