/**
 * Where a message comes from, as a path, and which paths a FROM takes. The path depends on the sender
 * alone, so candidate routes are chosen once per topic and not per message.
 */
import type { MessageOrigin } from "./message.ts";

export interface CompiledSource {
  /** Lower case, ends in a slash: what the path of a message must begin with. */
  readonly prefix: string;
  /** @param path of `messagePath`, or `TWIN_CHANGE_PATH` */
  matchesPath(path: string): boolean;
}

export const TWIN_CHANGE_PATH = "/twinChangeNotifications";

/** Contract §3.2. */
export function messagePath(origin: Pick<MessageOrigin, "moduleId" | "output">): string {
  if (origin.moduleId === null) return "/messages";
  const module = `/messages/modules/${origin.moduleId}`;
  return origin.output === null ? module : `${module}/outputs/${origin.output}`;
}

/** A wildcard has a meaning at the end only, and the same one as no wildcard. */
export function compileSource(source: string): CompiledSource {
  let end = source.length;
  while (end > 0 && (source[end - 1] === "*" || source[end - 1] === "/")) end--;
  const prefix = `${source.slice(0, end).toLowerCase()}/`;
  return { prefix, matchesPath: (path) => `${path.toLowerCase()}/`.startsWith(prefix) };
}
