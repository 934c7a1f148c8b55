/**
 * Performatives as a table: which there are, what fields each has, and of what type. `PerformativeReader`
 * holds the bytes of a frame against it, before anybody looks at what they say.
 */
import {
  descriptorAt,
  elementCount,
  firstElement,
  isBinary,
  isList,
  isMap,
  MALFORMED,
  skipValue,
  TYPE,
  valueEnd,
} from "./value.ts";

export const PERFORMATIVE = {
  OPEN: 0x10,
  BEGIN: 0x11,
  ATTACH: 0x12,
  FLOW: 0x13,
  TRANSFER: 0x14,
  DISPOSITION: 0x15,
  DETACH: 0x16,
  END: 0x17,
  CLOSE: 0x18,
  SASL_MECHANISMS: 0x40,
  SASL_INIT: 0x41,
  SASL_CHALLENGE: 0x42,
  SASL_RESPONSE: 0x43,
  SASL_OUTCOME: 0x44,
} as const;

type IsA = (code: number) => boolean;

const isSymbol: IsA = (code) => code === TYPE.SYMBOL8 || code === TYPE.SYMBOL32;

const FIELD_TYPES = {
  uint: (code: number) => code === TYPE.UINT || code === TYPE.SMALL_UINT || code === TYPE.UINT0,
  ulong: (code: number) => code === TYPE.ULONG || code === TYPE.SMALL_ULONG || code === TYPE.ULONG0,
  ushort: (code: number) => code === TYPE.USHORT,
  ubyte: (code: number) => code === TYPE.UBYTE,
  boolean: (code: number) => code === TYPE.TRUE || code === TYPE.FALSE || code === TYPE.BOOLEAN,
  string: (code: number) => code === TYPE.STRING8 || code === TYPE.STRING32,
  symbol: isSymbol,
  /** One, or an array of them. */
  symbols: (code: number) => isSymbol(code) || code === TYPE.ARRAY8 || code === TYPE.ARRAY32,
  binary: isBinary,
  map: isMap,
  described: (code: number) => code === TYPE.DESCRIBED,
};

interface Field {
  readonly isA: IsA;
  readonly isMandatory: boolean;
}

/** `type`, and `!` when it may not be null (AMQP 2.7, 5.3.3). */
type FieldSpec = keyof typeof FIELD_TYPES | `${keyof typeof FIELD_TYPES}!`;

const fields = (...specs: readonly FieldSpec[]): readonly Field[] =>
  specs.map((spec) => ({
    isA: FIELD_TYPES[spec.replace("!", "") as keyof typeof FIELD_TYPES],
    isMandatory: spec.endsWith("!"),
  }));

const TABLE: ReadonlyMap<number, readonly Field[]> = new Map<number, readonly Field[]>([
  [
    PERFORMATIVE.OPEN,
    fields("string!", "string", "uint", "ushort", "uint", "symbols", "symbols", "symbols", "symbols", "map"),
  ],
  [PERFORMATIVE.BEGIN, fields("ushort", "uint!", "uint!", "uint!", "uint", "symbols", "symbols", "map")],
  [
    PERFORMATIVE.ATTACH,
    fields(
      ...(["string!", "uint!", "boolean!", "ubyte", "ubyte", "described", "described", "map"] as const),
      ...(["boolean", "uint", "ulong", "symbols", "symbols", "map"] as const),
    ),
  ],
  [
    PERFORMATIVE.FLOW,
    fields(
      ...(["uint", "uint!", "uint!", "uint!", "uint", "uint", "uint", "uint"] as const),
      ...(["boolean", "boolean", "map"] as const),
    ),
  ],
  [
    PERFORMATIVE.TRANSFER,
    fields(
      ...(["uint!", "uint", "binary", "uint", "boolean", "boolean", "ubyte"] as const),
      ...(["described", "boolean", "boolean", "boolean"] as const),
    ),
  ],
  [PERFORMATIVE.DISPOSITION, fields("boolean!", "uint!", "uint", "boolean", "described", "boolean")],
  [PERFORMATIVE.DETACH, fields("uint!", "boolean", "described")],
  [PERFORMATIVE.END, fields("described")],
  [PERFORMATIVE.CLOSE, fields("described")],
  [PERFORMATIVE.SASL_INIT, fields("symbol!", "binary", "string")],
  [PERFORMATIVE.SASL_RESPONSE, fields("binary!")],
]);

const FIELDS_MAX = 14;

/** One performative at a time: the fields of the last one that was read, as places in its bytes. */
export class PerformativeReader {
  code = 0;
  /** Where the payload begins. */
  end = 0;
  /** Where each field's constructor lies, or `ABSENT`. */
  readonly places = new Int32Array(FIELDS_MAX);

  /** `false`: the bytes `[at, to)` do not begin with a performative that a client may send. */
  read(bytes: Buffer, at: number, to: number): boolean {
    const end = valueEnd(bytes, at, to);
    if (end === MALFORMED) return false;
    const code = descriptorAt(bytes, at);
    const table = TABLE.get(code);
    if (table === undefined) return false;
    const list = skipValue(bytes, at + 1);
    if (!isList(bytes[list]!)) return false;
    const count = elementCount(bytes, list);
    if (count > table.length) return false;
    this.code = code;
    this.end = end;
    this.places.fill(ABSENT);
    let place = firstElement(bytes, list);
    for (let i = 0; i < table.length; i++) {
      const { isA, isMandatory } = table[i]!;
      const type = i < count ? bytes[place]! : TYPE.NULL;
      if (type === TYPE.NULL ? isMandatory : !isA(type)) return false;
      if (i >= count) continue;
      if (type !== TYPE.NULL) this.places[i] = place;
      place = skipValue(bytes, place);
    }
    return true;
  }
}

export const ABSENT = -1;
