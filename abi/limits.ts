/** Bounds that belong to the contract: both sides may rely on them. Units last. */

/** Body plus properties of one message, as IoT Hub counts it. */
export const MESSAGE_BYTES_MAX = 256 * 1024;
/** A whole frame: the message, what the hub adds (8 KB), and headers. */
export const FRAME_BYTES_MAX = MESSAGE_BYTES_MAX + 8 * 1024;
export const PROPERTIES_MAX = 128;
export const PROPERTY_NAME_BYTES_MAX = 256;
/** Name of a module, an input, an output, a device. */
export const NAME_BYTES_MAX = 128;
export const PORTS_MAX = 64;

export const KV_KEY_BYTES_MAX = 512;
export const KV_VALUE_BYTES_MAX = 64 * 1024;
/** Default quota of a module's key-value image, keys and values together. */
export const KV_IMAGE_BYTES_DEFAULT = 4 * 1024 * 1024;

/** What one batch may hold. A lone larger record goes alone. */
export const BATCH_RECORDS_MAX = 512;
export const BATCH_BYTES_MAX = 64 * 1024;
/** What one result may hold: a step must fit one log segment (J9, A24). */
export const RESULT_BYTES_MAX = 1024 * 1024;
/** A message that passed this many modules is going in circles: it is dead-lettered (J22). */
export const HOPS_MAX = 16;

/** Of a method's name; of a request, and of an answer, as JSON. */
export const METHOD_NAME_BYTES_MAX = 100;
export const METHOD_PAYLOAD_BYTES_MAX = 128 * 1024;
/** A patch of reported properties. What it makes of them has bounds of its own, those of a twin. */
export const REPORT_BYTES_MAX = 64 * 1024;
/** Calls of others that a module may have under way. */
export const INVOKES_MAX = 64;

export const LOG_LINE_BYTES_MAX = 4096;
export const CONFIG_BYTES_MAX = 256 * 1024;
export const MANIFEST_BYTES_MAX = 64 * 1024;

/** Default linear memory of a module, and the most an artifact may ask for without a wider grant. */
export const MEMORY_BYTES_DEFAULT = 16 * 1024 * 1024;
export const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
/** Default CPU time one record may take, and the wall-clock multiple after which it is stopped anyway. */
export const RECORD_DEADLINE_MS_DEFAULT = 1_000;
export const WALL_BACKSTOP_FACTOR = 10;
