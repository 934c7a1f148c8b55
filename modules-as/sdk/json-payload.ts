/**
 * JSON on its way out: a `JsonObject`, a `JsonArray`, or text that is JSON already. It is measured, then written
 * in place. The callers are generic, so each kind costs only what it needs.
 */
import { JsonText } from "./json-text";
import { Place, putText, utf8Length } from "./memory";

export function jsonLength<T>(json: T): u32 {
  if (isString<T>()) return utf8Length(json as string);
  return (json as JsonText).byteLength;
}

export function putJson<T>(place: Place, json: T): void {
  if (isString<T>()) putText(place, json as string);
  else (json as JsonText).copyTo(place);
}
