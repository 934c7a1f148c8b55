/**
 * Compiled expressions, in two readings.
 *
 * As a value, a term follows the logic of `value.ts`. As a truth it is two plain predicates, "is it true?"
 * and "is it false?", through which AND, OR and NOT become `&&`, `||` and a swap: what the hub calls on the
 * publish path never meets `undefined`, stops at the first operand that decides, and comes to operands over
 * the body last. Both readings agree on every message; a property test holds them to it.
 */
import type { StaticType } from "./builtins.ts";
import type { RouteMessage } from "./message.ts";
import { and, isFalse, isTrue, not, or, type Evaluate, type Predicate, type Value } from "./value.ts";

/** Every function is total: none throws on any message. */
export interface Term extends Truth {
  readonly type: StaticType;
  readonly value: Evaluate;
  /** Asks nothing of the message. */
  readonly isConstant: boolean;
  readonly usesBody: boolean;
}

interface Truth {
  readonly isTrue: Predicate;
  /** What NOT turns into true: false or null. */
  readonly isFalse: Predicate;
}

const NO_MESSAGE: RouteMessage = {
  application: () => undefined,
  system: () => undefined,
  body: () => undefined,
};

export function constant(type: StaticType, value: Value): Term {
  const truth = { isTrue: () => isTrue(value), isFalse: () => isFalse(value) };
  return { type, value: () => value, ...truth, isConstant: true, usesBody: false };
}

/** Whatever the message. */
export const isAlwaysTrue = (term: Term): boolean => term.isConstant && term.isTrue(NO_MESSAGE);

/** A value read from the message. */
export function reading(type: StaticType, value: Evaluate, usesBody: boolean): Term {
  return { type, value, ...truthOf(value), isConstant: false, usesBody };
}

/** A term over others: constant if they are, and then evaluated here and now. */
export function derived(
  type: StaticType,
  inputs: readonly Term[],
  value: Evaluate,
  truth: Truth = truthOf(value),
): Term {
  if (inputs.every((input) => input.isConstant)) return constant(type, value(NO_MESSAGE));
  const usesBody = inputs.some((input) => input.usesBody);
  return { type, value, ...truth, isConstant: false, usesBody };
}

export function negation(operand: Term): Term {
  const { value } = operand;
  const truth = { isTrue: operand.isFalse, isFalse: operand.isTrue };
  return derived("bool", [operand], (message) => not(value(message)), truth);
}

export function conjunction(operands: readonly Term[]): Term {
  const ordered = bodyLast(operands);
  const value: Evaluate = (message) => and(operands.map((operand) => operand.value(message)));
  return derived("bool", operands, value, {
    isTrue: every(ordered.map((operand) => operand.isTrue)),
    isFalse: some(ordered.map((operand) => operand.isFalse)),
  });
}

export function disjunction(operands: readonly Term[]): Term {
  const ordered = bodyLast(operands);
  const value: Evaluate = (message) => or(operands.map((operand) => operand.value(message)));
  return derived("bool", operands, value, {
    isTrue: some(ordered.map((operand) => operand.isTrue)),
    isFalse: every(ordered.map((operand) => operand.isFalse)),
  });
}

function truthOf(value: Evaluate): Truth {
  return { isTrue: (message) => isTrue(value(message)), isFalse: (message) => isFalse(value(message)) };
}

/** Parsing a body costs ten times what all else in a condition does. */
const bodyLast = (operands: readonly Term[]): Term[] =>
  operands.toSorted((left, right) => Number(left.usesBody) - Number(right.usesBody));

function every(predicates: readonly Predicate[]): Predicate {
  return (message) => {
    for (const holds of predicates) if (!holds(message)) return false;
    return true;
  };
}

function some(predicates: readonly Predicate[]): Predicate {
  return (message) => {
    for (const holds of predicates) if (holds(message)) return true;
    return false;
  };
}
