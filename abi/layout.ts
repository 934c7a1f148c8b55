/**
 * Header layouts of ABI v1: byte offsets, frozen. A header may grow at its end (its own `header_len` says
 * how long it is), and a field never moves. ABI.md draws them.
 */

/** In front of every frame, one per endpoint: what differs between the endpoints of one message. 32 bytes. */
export const ENTRY = {
  TOTAL: 0, // u32: this header and what follows, padded to 8
  KIND: 4, // u16: RECORD
  FLAGS: 6, // u16: ENTRY_FLAG
  HEADER: 8, // u16
  PORT: 10, // u16: index of the input in the module's manifest
  OFFSET_LO: 12, // u32: place in the endpoint's lane, never reused
  OFFSET_HI: 16, // u32
  PRIORITY: 20, // u8: 0 first
  ATTEMPT: 21, // u8: hand-overs that failed before this one
  RESERVED: 22, // u16
  DEADLINE: 24, // f64: powered clock, ms; Infinity = none
  SIZE: 32,
} as const;

/** The message itself: immutable, shared by every endpoint, stored as it is. 56 bytes, then sections. */
export const FRAME = {
  VERSION: 0, // u8: 1
  HOPS: 1, // u8: modules passed
  HEADER: 2, // u16
  TOTAL: 4, // u32: header and sections, padded to 8
  SOURCE: 8, // u32: registry id, never reused
  SCHEMA: 12, // u32: 0
  UID: 16, // 16 bytes
  ENQUEUED: 32, // f64: wall clock, ms
  SYS: 40, // u32: length of the system properties
  APP: 44, // u32: of the application properties
  EXT: 48, // u32: of the extensions
  BODY: 52, // u32: of the body
  SIZE: 56,
} as const;
export const FRAME_VERSION = 1;

/** One property: 12 bytes, then name and value, padded to 4. */
export const PROPERTY = {
  NAME_ID: 0, // u16: 0 = the name follows
  TYPE: 2, // u8: PROPERTY_TYPE
  FLAGS: 3, // u8: 0
  NAME_LEN: 4, // u16
  RESERVED: 6, // u16
  VALUE_LEN: 8, // u32
  SIZE: 12,
} as const;

/** Host to guest, in front of the records of one batch. 64 bytes. */
export const BATCH = {
  MAGIC: 0, // u32
  HEADER: 4, // u16
  MINOR: 6, // u16
  TOTAL: 8, // u32: header and records
  COUNT: 12, // u32
  SEQ_LO: 16, // u32
  SEQ_HI: 20, // u32
  NOW_WALL: 24, // f64: ms
  NOW_POWERED: 32, // f64: ms
  BUDGET_US: 40, // u32: CPU time that is left for this call
  OUT_MAX: 44, // u32: most bytes the result may have
  FLAGS: 48, // u32: BATCH_FLAG
  CONFIG_VERSION: 52, // u32
  RESERVED: 56, // 8 bytes
  SIZE: 64,
} as const;
export const BATCH_MAGIC = 0x31425053; // "SPB1"

/** Guest to host, in front of the effects. 32 bytes. */
export const RESULT = {
  MAGIC: 0, // u32
  HEADER: 4, // u16
  MINOR: 6, // u16
  TOTAL: 8, // u32: header and effects
  COUNT: 12, // u32: effects
  CONSUMED: 16, // u32: records handled, from the first; fewer than given = call again for the rest
  FLAGS: 20, // u32
  RESERVED: 24, // 8 bytes
  SIZE: 32,
} as const;
export const RESULT_MAGIC = 0x31525053; // "SPR1"

/** In front of each effect. 24 bytes. */
export const EFFECT_HEADER = {
  TOTAL: 0, // u32: header and payload, padded to 8
  KIND: 4, // u16: EFFECT
  FLAGS: 6, // u16
  HEADER: 8, // u16
  PORT: 10, // u16: index of the output in the module's manifest
  CAUSE: 12, // u32: index of the record that caused it; NO_CAUSE = none
  CORR_LO: 16, // u32
  CORR_HI: 20, // u32
  SIZE: 24,
} as const;
export const NO_CAUSE = 0xffffffff;

/** Host to guest, once, through the mailbox, before any batch. 48 bytes, then the configuration as JSON. */
export const INIT = {
  MAGIC: 0, // u32
  HEADER: 4, // u16
  MINOR: 6, // u16
  FEATURES: 8, // u32[4]: what the host offers; the guest writes back what it will use
  RECORD_MAX: 24, // u32: largest record, bytes
  RESULT_MAX: 28, // u32: largest result, bytes
  CONFIG_VERSION: 32, // u32
  CONFIG_LEN: 36, // u32
  INSTANCE: 40, // u32: how many instances of this module were made before
  RESERVED: 44, // u32
  SIZE: 48,
} as const;
export const INIT_MAGIC = 0x31495053; // "SPI1"

/** Bits of feature word 0. A host offers those that the manifest asks for; the module takes up all of these. */
export const FEATURE = {
  /** DESIRED records, REPORT effects. */
  TWIN: 1,
  /** METHOD records, METHOD_REPLY effects. */
  METHODS: 2,
  /** INVOKE effects, REPLY records. */
  INVOKE: 4,
} as const;

/** What a batch holds. Kinds not named here are reserved; a kind with MAY_IGNORE may be skipped by length. */
export const RECORD = {
  MESSAGE: 1,
  TIMER: 2,
  METHOD: 3,
  CONFIG: 4,
  DESIRED: 5,
  REPLY: 6,
  PROBE: 7,
  SOURCE: 8,
  TOPIC: 9,
  QUIESCE: 10,
} as const;

/** Payload of a TIMER record, behind its entry header. 16 bytes. */
export const TIMER_TICK = {
  MISSED: 0, // u32: ticks that were due before this one and not delivered
  RESERVED: 4, // u32
  DUE: 8, // f64: powered clock, ms
  SIZE: 16,
} as const;

/** Payload of a DESIRED record, in front of two JSON objects: what has changed, and all of it as it is now. */
export const DESIRED = {
  VERSION: 0, // u32: `$version` of the desired properties
  FLAGS: 4, // u32: 0
  PATCH_LEN: 8, // u32: of the patch, whose nulls delete
  WHOLE_LEN: 12, // u32: of the whole, behind the patch
  SIZE: 16,
} as const;

/** Payload of a METHOD record, in front of the method's name and the request. */
export const METHOD = {
  CORR_LO: 0, // u32: the reply names it
  CORR_HI: 4, // u32
  NAME_LEN: 8, // u32
  PAYLOAD_LEN: 12, // u32: JSON
  SIZE: 16,
} as const;

/** Payload of a REPLY record, in front of the answer. */
export const REPLY = {
  CORR_LO: 0, // u32: as in the header of the INVOKE effect
  CORR_HI: 4, // u32
  STATUS: 8, // i32: the callee's own, or REPLY_STATUS
  LENGTH: 12, // u32: of the answer, JSON or nothing
  SIZE: 16,
} as const;

/** Why a REPLY is no answer of the callee. The answer is then an object with the `message`. */
export const REPLY_STATUS = {
  /** The call itself is wrong. */
  INVALID: -400,
  OFFLINE: -404,
  /** Too many calls are under way. */
  BUSY: -429,
  /** The callee's answer is no JSON, or too large. */
  MALFORMED: -502,
  TIMEOUT: -504,
} as const;

export const ENTRY_FLAG = { MAY_IGNORE: 1, REDELIVERED: 2, CONTROL: 4 } as const;
export const BATCH_FLAG = { REPLAY: 1, RERUN: 2 } as const;

/** What a result holds. */
export const EFFECT = {
  /** Payload: a frame. Its uid, source, hops and time are the host's to write. */
  EMIT: 1,
  /** Payload: u32 record index, u32 0. The record's frame goes on, with the module as its source and one hop more. */
  PASS: 2,
  /** Payload: u32 VERDICT, u32 retry after ms, then the reason as utf-8. */
  VERDICT: 3,
  /** Payload: u32 key length, u32 value length, key, value. Written by the sandbox from the batch overlay. */
  KV_PUT: 4,
  /** Payload: u32 key length, u32 0, key. Written by the sandbox. */
  KV_DEL: 5,
  TIMER_SET: 6,
  TIMER_CANCEL: 7,
  /** Payload: REPORT, then a patch of the module's reported properties as JSON. */
  REPORT: 8,
  /** Payload: METHOD_REPLY, then the answer. `cause` and correlation are those of the METHOD record. */
  METHOD_REPLY: 9,
  /** Payload: INVOKE, then what it counts. The correlation is the module's to choose. */
  INVOKE: 10,
  HTTP: 11,
  METRIC: 12,
  PUBLISH: 13,
} as const;

/** In front of the JSON of a REPORT effect. */
export const REPORT = {
  LENGTH: 0, // u32: of the patch
  RESERVED: 4, // u32
  SIZE: 8,
} as const;

/** In front of the answer of a METHOD_REPLY effect. */
export const METHOD_REPLY = {
  STATUS: 0, // i32: the module's own, usually like HTTP's
  LENGTH: 4, // u32: of the answer, JSON or nothing
  SIZE: 8,
} as const;

/** In front of device, module, method and payload of an INVOKE effect, in that order. */
export const INVOKE = {
  DEVICE_LEN: 0, // u32: 0 = this gateway
  MODULE_LEN: 4, // u32: 0 = the device itself
  NAME_LEN: 8, // u32: of the method
  PAYLOAD_LEN: 12, // u32: JSON, or nothing
  TIMEOUT_SECS: 16, // u32: for the answer, 5 to 300; 0 = 30
  RESERVED: 20, // u32
  SIZE: 24,
} as const;

export const VERDICT = { OK: 0, RETRY: 1, DEAD_LETTER: 2 } as const;
