import { compileRoute } from "../../../hub/router/compile.ts";
import { compileCondition } from "../../../hub/router/condition.ts";
import { RouteSyntaxError } from "../../../hub/router/errors.ts";
import type { RouteMessage } from "../../../hub/router/message.ts";
import { parseRoute } from "../../../hub/router/parse.ts";
import type { Term } from "../../../hub/router/term.ts";

export const routeWith = (condition: string): string => `FROM /* WHERE ${condition} INTO $upstream`;

export function termOf(condition: string): Term {
  const query = routeWith(condition);
  return compileCondition(parseRoute(query).where!, query);
}

export type Verdict = "true" | "false" | "undefined" | "error";

/** What contract §3.8 says of an expression as a whole condition: null is false, other values are undefined. */
export function verdict(condition: string, message: RouteMessage): Verdict {
  try {
    const value = termOf(condition).value(message);
    if (value === true) return "true";
    return value === false || value === null ? "false" : "undefined";
  } catch (error) {
    if (error instanceof RouteSyntaxError) return "error";
    throw error;
  }
}

/** Does a message match, by the face that the hub uses? */
export function matches(condition: string, message: RouteMessage): boolean {
  const route = compileRoute(routeWith(condition));
  return route.condition === null || route.condition(message);
}
