/** `k=v&k=v`, percent-encoded: user names, property bags and request ids all have this form. */
import { unescapeStrictly } from "../identity/percent-encoding.ts";

/**
 * Decoded names to decoded values; `null` for a name without `=`. A `Map`, since names are a stranger's.
 * `undefined` when an escape cannot be decoded or there are more than `pairsMax` pairs.
 */
export function parseQuery(
  text: string,
  pairsMax: number,
  ofRepeated: "first" | "last",
): Map<string, string | null> | undefined {
  const pairs = new Map<string, string | null>();
  let count = 0;
  for (let at = 0; at < text.length;) {
    const next = text.indexOf("&", at);
    const end = next < 0 ? text.length : next;
    if (end > at) {
      if (++count > pairsMax) return undefined;
      const equals = text.indexOf("=", at);
      const hasValue = equals >= 0 && equals < end;
      const name = unescapeStrictly(text.slice(at, hasValue ? equals : end));
      const value = hasValue ? unescapeStrictly(text.slice(equals + 1, end)) : null;
      if (name === null || (hasValue && value === null)) return undefined;
      if (ofRepeated === "last" || !pairs.has(name)) pairs.set(name, value);
    }
    at = end + 1;
  }
  return pairs;
}
