/**
 * Route queries, compiled once and evaluated for every message.
 *
 *     FROM /messages/modules/thermo/* WHERE $body.celsius > 40 INTO $upstream
 *
 * All failure lives here, when a deployment arrives. A compiled route cannot throw on a message: a
 * condition over a missing or mistyped field is undefined, which does not match (docs/routes.md). Priority
 * and time to live are not part of the text (contract §1.4).
 */
import { compileCondition } from "./condition.ts";
import { parseRoute } from "./parse.ts";
import { compileSource, type CompiledSource } from "./source.ts";
import type { Sink } from "./syntax.ts";
import { isAlwaysTrue } from "./term.ts";
import type { Predicate } from "./value.ts";

export { RouteSyntaxError } from "./errors.ts";

export interface CompiledRoute {
  /** As the operator wrote it. */
  readonly query: string;
  readonly source: CompiledSource;
  readonly sink: Sink;
  /**
   * Does a message of a matching source go this way? Pure, synchronous, never throws. `null` when every
   * message does.
   */
  readonly condition: Predicate | null;
  /** Does the condition say no? A message that it neither takes nor refuses could not be judged (J29). */
  readonly refuses: Predicate;
  /** `condition` may have the body parsed. */
  readonly usesBody: boolean;
}

/** @throws {RouteSyntaxError} pointing at the first offending column. */
export function compileRoute(query: string): CompiledRoute {
  const { source, where, sink } = parseRoute(query);
  const compiled = { query, source: compileSource(source), sink };
  if (where === null) return { ...compiled, condition: null, refuses: () => false, usesBody: false };
  const term = compileCondition(where, query);
  const { isTrue, isFalse, usesBody } = term;
  return { ...compiled, condition: isAlwaysTrue(term) ? null : isTrue, refuses: isFalse, usesBody };
}
