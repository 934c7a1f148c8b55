/** What an error of the database says of its file: damaged, or only not to be read just now. */

/** `MDB_PAGE_NOTFOUND`, `MDB_CORRUPTED`, `MDB_VERSION_MISMATCH`, `MDB_INVALID`, `MDB_BAD_CHECKSUM`. */
const DAMAGE_CODES: ReadonlySet<unknown> = new Set([-30797, -30796, -30794, -30793, -30778]);
/** The same in words: some errors of the binding have no code. */
const DAMAGE_WORDS = /MDB_(?:PAGE_NOTFOUND|CORRUPTED|VERSION_MISMATCH|INVALID|BAD_CHECKSUM)\b/;

/** Whether the database itself says that its pages are damaged. */
export function namesDamage(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  return DAMAGE_CODES.has(code) || DAMAGE_WORDS.test(message ?? "");
}

/**
 * Of an error met while loading. One without a number comes from our own decoding of keys and values: what was decoded is damaged. One with
 * a number is the database's or the system's, of which some are (J18: a disk that fails sets nothing aside).
 */
export function isDamage(error: unknown): boolean {
  if (namesDamage(error)) return true;
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  return typeof code !== "number" && !/\bMDB_/.test(message ?? "");
}
