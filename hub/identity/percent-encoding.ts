/** Percent-encoding as IoT Hub's clients do it: tokens, topics and user names share it. */

/** `! ' ( ) *` included. Lone surrogates, which utf-8 cannot hold, become U+FFFD. */
export const escapeStrictly = (text: string): string =>
  encodeURIComponent(withoutSurrogates(text)).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const withoutSurrogates = (text: string): string =>
  /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, "\uFFFD") : text;

/** `null` when an escape is malformed or is not utf-8. `+` is a plus. */
export function unescapeStrictly(text: string): string | null {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
