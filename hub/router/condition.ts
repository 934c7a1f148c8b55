/**
 * Type check of conditions, and their compilation to closures. No code is generated: a configuration must
 * not become a program.
 *
 * Types are known beforehand except below `$body`, which fits everywhere and is checked again on each message.
 */
import { scalarAt } from "./body.ts";
import { BUILTINS, type Builtin, type StaticType } from "./builtins.ts";
import { RouteSyntaxError } from "./errors.ts";
import { functionHint, negationHint, typeHint } from "./hint.ts";
import type { BodyReference, Call, Chain, Expression, SystemReference, Unary } from "./syntax.ts";
import type { Arithmetic, Comparison } from "./syntax.ts";
import { conjunction, constant, derived, disjunction, negation, reading, type Term } from "./term.ts";
import { ARITHMETIC, COMPARISONS, concatenate, defined, type Evaluate, type Value } from "./value.ts";

/**
 * @param query the text that `tree` was parsed from, for errors
 * @throws {RouteSyntaxError} for a type that does not fit, an unknown function, a wrong number of arguments.
 */
export function compileCondition(tree: Expression, query: string): Term {
  return new ConditionCompiler(query).compile(tree);
}

const TRUTH: readonly StaticType[] = ["bool", "null", "undefined"];

class ConditionCompiler {
  readonly #query: string;

  constructor(query: string) {
    this.#query = query;
  }

  compile(tree: Expression): Term {
    switch (tree.kind) {
      case "literal":
        return constant(typeOf(tree.value), tree.value);
      case "application": {
        const name = tree.name.toLowerCase();
        return reading("string", (message) => message.application(name), false);
      }
      case "system":
        return systemTerm(tree);
      case "body":
        return bodyTerm(tree);
      case "unary":
        return this.#unary(tree);
      case "comparison":
        return this.#comparison(tree);
      case "arithmetic":
        return this.#arithmetic(tree);
      case "chain":
        return this.#chain(tree);
      case "call":
        return this.#call(tree);
    }
  }

  #unary(tree: Unary): Term {
    const { operand } = tree;
    if (tree.operator === "not") {
      return negation(this.#operand(operand, TRUTH, "cannot apply NOT to", negationHint(operand)));
    }
    const term = this.#operand(operand, ["number", "undefined"], "cannot negate");
    return derived("number", [term], negated(term.value));
  }

  #comparison(tree: Comparison): Term {
    const left = this.compile(tree.left);
    const right = this.compile(tree.right);
    if (!isComparable(left.type, right.type, tree.operator)) {
      const hint = typeHint(tree.left, right.type) ?? typeHint(tree.right, left.type);
      this.#fail(tree, `cannot compare ${WORDING[left.type]} with ${WORDING[right.type]}`, hint);
    }
    return derived("bool", [left, right], compared(tree.operator, left.value, right.value));
  }

  #arithmetic(tree: Arithmetic): Term {
    const left = this.#operand(tree.left, ["number"], `cannot apply ${tree.operator} to`);
    const right = this.#operand(tree.right, ["number"], `cannot apply ${tree.operator} to`);
    return derived("number", [left, right], calculated(tree.operator, left.value, right.value));
  }

  #chain(tree: Chain): Term {
    const operands = (types: readonly StaticType[], operator: string): Term[] =>
      tree.operands.map((operand) => this.#operand(operand, types, `cannot apply ${operator} to`));
    switch (tree.operator) {
      case "and":
        return conjunction(operands(TRUTH, "AND"));
      case "or":
        return disjunction(operands(TRUTH, "OR"));
      case "||": {
        const parts = operands(["string"], "||");
        return derived("string", parts, (message) => concatenate(parts.map((part) => part.value(message))));
      }
      case "??": {
        const choices = tree.operands.map((operand) => this.compile(operand));
        return derived(this.#commonType(tree, choices), choices, firstDefined(choices));
      }
    }
  }

  #commonType(tree: Chain, choices: readonly Term[]): StaticType {
    return choices.reduce<StaticType>((common, { type }, i) => {
      if (type === common || type === "undefined") return common;
      if (common === "undefined") return type;
      if (common === "dynamic" || type === "dynamic") return "dynamic";
      const hint = type === "bool" ? "?? binds loosest: put it in parentheses" : undefined;
      return this.#fail(tree.operands[i]!, `cannot use ?? on ${WORDING[common]} and ${WORDING[type]}`, hint);
    }, "undefined");
  }

  #call(tree: Call): Term {
    const builtin = BUILTINS.get(tree.name);
    if (builtin === undefined) {
      const hint = functionHint(tree.name);
      throw new RouteSyntaxError(this.#query, tree.span.start, "unknown function", {
        found: tree.name,
        hint,
      });
    }
    this.#requireArity(tree, builtin);
    const operands = tree.operands.map((operand, i) => {
      const parameter = builtin.parameters[i] ?? builtin.parameters.at(-1)!;
      return this.#operand(operand, parameter, `${tree.name} does not take`);
    });
    return derived(builtin.result, operands, called(builtin.apply, operands));
  }

  #requireArity(tree: Call, builtin: Builtin): void {
    const most = builtin.variadic === true ? Infinity : builtin.parameters.length;
    const least = builtin.required ?? builtin.parameters.length;
    const given = tree.operands.length;
    if (given >= least && given <= most) return;
    const wanted = most === Infinity ? `at least ${least}` : most === least ? least : `${least} to ${most}`;
    this.#fail(tree, `${tree.name} takes ${wanted} ${most === 1 ? "argument" : "arguments"}, not ${given},`);
  }

  #operand(tree: Expression, types: readonly StaticType[], problem: string, hint?: string): Term {
    const term = this.compile(tree);
    if (term.type === "dynamic" || types.includes(term.type)) return term;
    return this.#fail(tree, `${problem} ${WORDING[term.type]}`, hint ?? typeHint(tree, types[0]!));
  }

  #fail(tree: Expression, problem: string, hint?: string): never {
    throw new RouteSyntaxError(this.#query, tree.span.start, problem, { hint });
  }
}

const WORDING: Readonly<Record<StaticType, string>> = {
  string: "a string",
  number: "a number",
  bool: "a boolean",
  null: "null",
  undefined: "undefined",
  dynamic: "a body value",
};

function typeOf(value: Value): StaticType {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  return typeof value === "number" ? "number" : "undefined";
}

/** Anything may be asked whether it is null; only likes have an order. */
function isComparable(left: StaticType, right: StaticType, operator: Comparison["operator"]): boolean {
  const isEither = (type: StaticType): boolean => left === type || right === type;
  if (left === right || isEither("dynamic") || isEither("undefined")) return true;
  return (operator === "=" || operator === "!=") && isEither("null");
}

function systemTerm({ name, forced }: SystemReference): Term {
  const key = name.toLowerCase();
  return reading(
    "string",
    shadowed(forced, `$${key}`, (message) => message.system(key)),
    false,
  );
}

/** A whole body is never a scalar. */
function bodyTerm({ text, path, forced }: BodyReference): Term {
  const isWhole = path.length === 0;
  const read: Evaluate = isWhole ? () => undefined : (message) => scalarAt(message.body(), path);
  return reading("dynamic", shadowed(forced, text.toLowerCase(), read), !isWhole);
}

/** An application property called just like the reference comes first, unless braces say otherwise. */
function shadowed(forced: boolean, name: string, read: Evaluate): Evaluate {
  if (forced) return read;
  return (message) => {
    const own = message.application(name);
    return own === undefined ? read(message) : own;
  };
}

function negated(operand: Evaluate): Evaluate {
  return (message) => {
    const value = operand(message);
    return typeof value === "number" ? -value : undefined;
  };
}

function compared(operator: Comparison["operator"], left: Evaluate, right: Evaluate): Evaluate {
  const holds = COMPARISONS[operator];
  return (message) => {
    const a = left(message);
    if (a === undefined) return undefined;
    const b = right(message);
    return b === undefined ? undefined : holds(a, b);
  };
}

function calculated(operator: Arithmetic["operator"], left: Evaluate, right: Evaluate): Evaluate {
  const apply = ARITHMETIC[operator];
  return (message) => {
    const a = left(message);
    const b = right(message);
    return typeof a === "number" && typeof b === "number" ? defined(apply(a, b)) : undefined;
  };
}

function firstDefined(choices: readonly Term[]): Evaluate {
  return (message) => {
    for (const choice of choices) {
      const value = choice.value(message);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

/** One and two arguments, which nearly all calls have, go without an array. */
function called(apply: Builtin["apply"], operands: readonly Term[]): Evaluate {
  const [first, second] = operands;
  if (operands.length === 1) return (message) => apply(first!.value(message));
  if (operands.length === 2) return (message) => apply(first!.value(message), second!.value(message));
  return (message) => apply(...operands.map((operand) => operand.value(message)));
}
