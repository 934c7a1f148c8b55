/** The value of a property as text, the same text that route queries and the hub's other readers see. */
import { PROPERTY, PROPERTY_TYPE } from "./abi";
import { Place, getF64, getI64, getU16, getU32, getU8, takeText } from "./memory";
import { numberText } from "./number";

const BASE64: string = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function propertyText(at: Place): string | null {
  const type = getU8(at + PROPERTY.TYPE);
  const value = at + PROPERTY.SIZE + getU16(at + PROPERTY.NAME_LEN);
  const length = getU32(at + PROPERTY.VALUE_LEN);
  if (type == PROPERTY_TYPE.UTF8) return takeText(value, length);
  if (type == PROPERTY_TYPE.NULL) return null;
  if (type == PROPERTY_TYPE.BOOL) return getU8(value) == 0 ? "false" : "true";
  if (type == PROPERTY_TYPE.I64) return length == 8 ? getI64(value).toString() : null;
  if (type == PROPERTY_TYPE.U64) return length == 8 ? (<u64>getI64(value)).toString() : null;
  if (type == PROPERTY_TYPE.F64) return length == 8 ? numberText(getF64(value)) : null;
  if (type == PROPERTY_TYPE.TIME) return length == 8 ? new Date(<i64>getF64(value)).toISOString() : null;
  return base64(value, length);
}

function base64(place: Place, length: u32): string {
  let text = "";
  for (let i: u32 = 0; i < length; i += 3) {
    const left = length - i;
    const bits =
      (getU8(place + i) << 16) |
      (left > 1 ? getU8(place + i + 1) << 8 : 0) |
      (left > 2 ? getU8(place + i + 2) : 0);
    text += BASE64.charAt(bits >>> 18) + BASE64.charAt((bits >>> 12) & 63);
    text += left > 1 ? BASE64.charAt((bits >>> 6) & 63) : "=";
    text += left > 2 ? BASE64.charAt(bits & 63) : "=";
  }
  return text;
}
