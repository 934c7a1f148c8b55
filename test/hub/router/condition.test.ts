/** What must hold for every expression and every message. */
import { expect, test } from "vitest";
import { compileRoute } from "../../../hub/router/compile.ts";
import { RouteSyntaxError } from "../../../hub/router/errors.ts";
import { FrameMessage } from "../../../hub/router/frame-message.ts";
import type { Term } from "../../../hub/router/term.ts";
import { DEVICE, MESSAGE_B, MESSAGE_P } from "./messages.ts";
import { Random, randomExpression, randomFrame, randomQuery, randomTable, seed } from "./random.ts";
import { routeWith, termOf } from "./verdict.ts";

const EXPRESSIONS = 3000;
const QUERIES = 20_000;

function compiled(expression: string): Term | null {
  try {
    return termOf(expression);
  } catch (error) {
    if (error instanceof RouteSyntaxError) return null;
    throw error;
  }
}

test("a compiled condition throws on no message, and both its readings agree", () => {
  const random = new Random(seed());
  const frame = new FrameMessage();
  let accepted = 0;
  let matched = 0;
  for (let i = 0; i < EXPRESSIONS; i++) {
    const expression = randomExpression(random, "bool", random.below(6));
    const term = compiled(expression);
    if (term === null) continue;
    accepted++;
    const { block, frameAt } = randomFrame(random);
    const messages = [MESSAGE_P, MESSAGE_B, randomTable(random), frame.at(block, frameAt, DEVICE)];
    for (const message of messages) {
      const value = term.value(message);
      if (value === true) matched++;
      expect(term.isTrue(message), expression).toBe(value === true);
      expect(term.isFalse(message), expression).toBe(value === false || value === null);
    }
  }
  // Otherwise nothing was tested.
  expect(accepted).toBeGreaterThan(EXPRESSIONS / 3);
  expect(matched).toBeGreaterThan(EXPRESSIONS / 10);
});

test("the value of an expression has its static type, null and undefined aside", () => {
  const random = new Random(seed());
  for (let i = 0; i < EXPRESSIONS; i++) {
    const type = random.pick(["bool", "number", "string"] as const);
    const expression = randomExpression(random, type, random.below(5));
    const term = compiled(expression);
    if (term === null || term.type === "dynamic") continue;
    const value = term.value(randomTable(random));
    if (value === null || value === undefined) continue;
    expect(typeof value, expression).toBe(term.type === "bool" ? "boolean" : term.type);
    if (typeof value === "number") expect(value, expression).not.toBeNaN();
  }
});

test("any text is a route or a RouteSyntaxError with a place inside it", () => {
  const random = new Random(seed());
  let accepted = 0;
  for (let i = 0; i < QUERIES; i++) {
    const query = randomQuery(random);
    try {
      const route = compileRoute(query);
      route.condition?.(MESSAGE_P);
      accepted++;
    } catch (error) {
      if (!(error instanceof RouteSyntaxError))
        throw new Error(`threw for ${JSON.stringify(query)}`, { cause: error });
      expect(error.line, query).toBeLessThanOrEqual(query.split("\n").length);
      expect(error.column, query).toBeLessThanOrEqual(query.length + 1);
      expect(error.excerpt.split("\n"), query).toHaveLength(2);
    }
  }
  expect(accepted).toBeGreaterThan(0);
});

test("a condition that asks for the body says so", () => {
  expect(compileRoute(routeWith("$body.a = 1")).usesBody).toBe(true);
  expect(compileRoute(routeWith("a = 'x' or not (b = 'y' and abs($body.a) > 1)")).usesBody).toBe(true);
  expect(compileRoute(routeWith("a = 'x' and $contentType = 'y'")).usesBody).toBe(false);
  expect(compileRoute("FROM /* INTO $upstream").usesBody).toBe(false);
});
