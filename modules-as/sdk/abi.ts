/**
 * The layouts and numbers of ABI v1 that a guest needs, under the names that abi/ has for them. A test compares
 * every value here with abi/, so this page cannot drift.
 */
export const ABI_MINOR: u32 = 1;

export const FRAME_VERSION: u32 = 1;
export const BATCH_MAGIC: u32 = 0x31425053;
export const RESULT_MAGIC: u32 = 0x31525053;
export const INIT_MAGIC: u32 = 0x31495053;

export namespace ENTRY {
  export const TOTAL: u32 = 0;
  export const KIND: u32 = 4;
  export const FLAGS: u32 = 6;
  export const HEADER: u32 = 8;
  export const PORT: u32 = 10;
  export const ATTEMPT: u32 = 21;
}

export namespace ENTRY_FLAG {
  export const MAY_IGNORE: u32 = 1;
}

export namespace RECORD {
  export const MESSAGE: u32 = 1;
  export const TIMER: u32 = 2;
  export const METHOD: u32 = 3;
  export const DESIRED: u32 = 5;
  export const REPLY: u32 = 6;
}

export namespace FEATURE {
  export const TWIN: u32 = 1;
  export const METHODS: u32 = 2;
  export const INVOKE: u32 = 4;
}

export namespace DESIRED {
  export const PATCH_LEN: u32 = 8;
  export const WHOLE_LEN: u32 = 12;
  export const SIZE: u32 = 16;
}

export namespace METHOD {
  export const CORR_LO: u32 = 0;
  export const CORR_HI: u32 = 4;
  export const NAME_LEN: u32 = 8;
  export const PAYLOAD_LEN: u32 = 12;
  export const SIZE: u32 = 16;
}

export namespace REPLY {
  export const CORR_LO: u32 = 0;
  export const CORR_HI: u32 = 4;
  export const STATUS: u32 = 8;
  export const LENGTH: u32 = 12;
  export const SIZE: u32 = 16;
}

export namespace FRAME {
  export const VERSION: u32 = 0;
  export const HEADER: u32 = 2;
  export const TOTAL: u32 = 4;
  export const SOURCE: u32 = 8;
  export const UID: u32 = 16;
  export const ENQUEUED: u32 = 32;
  export const SYS: u32 = 40;
  export const APP: u32 = 44;
  export const EXT: u32 = 48;
  export const BODY: u32 = 52;
  export const SIZE: u32 = 56;
}

export namespace PROPERTY {
  export const NAME_ID: u32 = 0;
  export const TYPE: u32 = 2;
  export const NAME_LEN: u32 = 4;
  export const VALUE_LEN: u32 = 8;
  export const SIZE: u32 = 12;
}

export namespace PROPERTY_TYPE {
  export const NULL: u32 = 0;
  export const UTF8: u32 = 1;
  export const BOOL: u32 = 2;
  export const I64: u32 = 3;
  export const F64: u32 = 4;
  export const TIME: u32 = 5;
  export const U64: u32 = 8;
}

export namespace PROPERTY_ID {
  export const MESSAGE_ID: u32 = 1;
  export const CORRELATION_ID: u32 = 2;
  export const CONTENT_TYPE: u32 = 6;
  export const CONTENT_ENCODING: u32 = 7;
}

export namespace BATCH {
  export const MAGIC: u32 = 0;
  export const HEADER: u32 = 4;
  export const COUNT: u32 = 12;
  export const OUT_MAX: u32 = 44;
}

export namespace INIT {
  export const MAGIC: u32 = 0;
  export const HEADER: u32 = 4;
  export const FEATURES: u32 = 8;
  export const CONFIG_LEN: u32 = 36;
  export const INSTANCE: u32 = 40;
}

export namespace RESULT {
  export const MAGIC: u32 = 0;
  export const HEADER: u32 = 4;
  export const MINOR: u32 = 6;
  export const TOTAL: u32 = 8;
  export const COUNT: u32 = 12;
  export const CONSUMED: u32 = 16;
  export const SIZE: u32 = 32;
}

export namespace EFFECT_HEADER {
  export const TOTAL: u32 = 0;
  export const KIND: u32 = 4;
  export const HEADER: u32 = 8;
  export const PORT: u32 = 10;
  export const CAUSE: u32 = 12;
  export const CORR_LO: u32 = 16;
  export const CORR_HI: u32 = 20;
  export const SIZE: u32 = 24;
}

export namespace EFFECT {
  export const EMIT: u32 = 1;
  export const PASS: u32 = 2;
  export const VERDICT: u32 = 3;
  export const REPORT: u32 = 8;
  export const METHOD_REPLY: u32 = 9;
  export const INVOKE: u32 = 10;
}

export namespace REPORT {
  export const LENGTH: u32 = 0;
  export const SIZE: u32 = 8;
}

export namespace METHOD_REPLY {
  export const STATUS: u32 = 0;
  export const LENGTH: u32 = 4;
  export const SIZE: u32 = 8;
}

export namespace INVOKE {
  export const DEVICE_LEN: u32 = 0;
  export const MODULE_LEN: u32 = 4;
  export const NAME_LEN: u32 = 8;
  export const PAYLOAD_LEN: u32 = 12;
  export const TIMEOUT_SECS: u32 = 16;
  export const SIZE: u32 = 24;
}

export namespace VERDICT {
  export const DEAD_LETTER: u32 = 2;
}

export namespace STATUS {
  export const ABSENT: i32 = -1;
  export const QUOTA: i32 = -3;
}

export const FRAME_BYTES_MAX: u32 = 270336;
export const PROPERTIES_MAX: u32 = 128;
export const PROPERTY_NAME_BYTES_MAX: u32 = 256;
export const KV_KEY_BYTES_MAX: u32 = 512;
export const KV_VALUE_BYTES_MAX: u32 = 65536;
export const METHOD_PAYLOAD_BYTES_MAX: u32 = 131072;
export const REPORT_BYTES_MAX: u32 = 65536;
export const LOG_LINE_BYTES_MAX: u32 = 4096;
