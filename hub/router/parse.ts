/**
 * Route query to tree: `[SELECT *] FROM source [WHERE condition] INTO sink`.
 *
 * Operators are parsed by precedence climbing, so the parser's own recursion is as deep as the query
 * nests, and that is bounded. Chains of one logical operator lie flat, so a list of a thousand OR terms is
 * fine.
 */
import { NAME_BYTES_MAX } from "../../abi/index.ts";
import { RouteSyntaxError } from "./errors.ts";
import { Lexer, type Keyword, type Token } from "./lexer.ts";
import type {
  ArithmeticOperator,
  BodyPath,
  ChainOperator,
  ComparisonOperator,
  Expression,
  RouteSyntax,
  Sink,
  Span,
} from "./syntax.ts";

/** UTF-16 units of a whole query. */
export const QUERY_LENGTH_MAX = 16 * 1024;
/** Of parentheses, prefixes and calls, and of operators that are not chains. */
export const EXPRESSION_DEPTH_MAX = 64;

type Infix =
  | { readonly level: number; readonly kind: "chain"; readonly operator: ChainOperator }
  | { readonly level: number; readonly kind: "comparison"; readonly operator: ComparisonOperator }
  | { readonly level: number; readonly kind: "arithmetic"; readonly operator: ArithmeticOperator };

/** Loosest first: the order of precedence in contract §3.3. */
const INFIX: ReadonlyMap<string, Infix> = new Map<string, Infix>([
  ["??", { level: 1, kind: "chain", operator: "??" }],
  ["OR", { level: 2, kind: "chain", operator: "or" }],
  ["AND", { level: 3, kind: "chain", operator: "and" }],
  ["=", { level: 4, kind: "comparison", operator: "=" }],
  ["!=", { level: 4, kind: "comparison", operator: "!=" }],
  ["<>", { level: 4, kind: "comparison", operator: "!=" }],
  ["<", { level: 5, kind: "comparison", operator: "<" }],
  ["<=", { level: 5, kind: "comparison", operator: "<=" }],
  [">", { level: 5, kind: "comparison", operator: ">" }],
  [">=", { level: 5, kind: "comparison", operator: ">=" }],
  ["+", { level: 6, kind: "arithmetic", operator: "+" }],
  ["-", { level: 6, kind: "arithmetic", operator: "-" }],
  ["||", { level: 6, kind: "chain", operator: "||" }],
  ["*", { level: 7, kind: "arithmetic", operator: "*" }],
  ["/", { level: 7, kind: "arithmetic", operator: "/" }],
  ["%", { level: 7, kind: "arithmetic", operator: "%" }],
]);

/** Literal words, in lower case only. */
const WORDS: ReadonlyMap<string, boolean | null | undefined> = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
  ["undefined", undefined],
]);

/** What people write from habit, and what is meant. */
const HABITS: ReadonlyMap<string, string> = new Map([
  ["=", 'use = for "is equal"'],
  ["&&", "use AND"],
  ["&", "use AND"],
  ["upstream", "the cloud is $upstream"],
]);

const SINK_HINT = 'a sink is $upstream or BrokeredEndpoint("/modules/<module>/inputs/<input>")';

/** @throws {RouteSyntaxError} pointing at the first offending column. */
export function parseRoute(query: string): RouteSyntax {
  if (query.length > QUERY_LENGTH_MAX) {
    const problem = `${query.length} characters, more than ${QUERY_LENGTH_MAX},`;
    throw new RouteSyntaxError(query, 0, problem);
  }
  return new Parser(query).route();
}

class Parser {
  readonly #lexer: Lexer;
  #token: Token;
  #depth = 0;

  constructor(query: string) {
    this.#lexer = new Lexer(query);
    this.#token = this.#lexer.next();
  }

  route(): RouteSyntax {
    const selects = this.#takeKeyword("SELECT");
    if (selects) this.#expectSymbol("*");
    if (!this.#isKeyword("FROM")) this.#expected(selects ? "FROM" : "SELECT or FROM");
    const source = this.#lexer.source();
    this.#advance();
    const where = this.#takeKeyword("WHERE") ? this.#expression(1) : null;
    if (!this.#takeKeyword("INTO")) this.#expected(where === null ? "WHERE or INTO" : "INTO");
    const sink = this.#sink();
    if (this.#token.kind !== "end") this.#expected("the end of the query");
    return { source, where, sink };
  }

  #sink(): Sink {
    const token = this.#token;
    const word = token.kind === "reference" || token.kind === "name" ? token.text.toLowerCase() : "";
    if (word === "$upstream") {
      this.#advance();
      return { kind: "upstream" };
    }
    if (word !== "brokeredendpoint") {
      return this.#expected("$upstream or BrokeredEndpoint", word === "upstream" ? undefined : SINK_HINT);
    }
    this.#advance();
    this.#expectSymbol("(");
    const path = this.#token;
    if (path.kind !== "string") return this.#expected("the address of an input in quotes", SINK_HINT);
    this.#advance();
    this.#expectSymbol(")");
    return this.#moduleSink(path.value, path);
  }

  /** Contract §3.1: four parts, of which the second and fourth count. */
  #moduleSink(path: string, span: Span): Sink {
    const [, module = "", , input = "", ...rest] = path.replace(/^\/+/, "").replace(/\/+$/, "").split("/");
    const isName = (text: string): boolean =>
      text !== "" && Buffer.byteLength(text) <= NAME_BYTES_MAX && !/\p{Cc}/u.test(text);
    if (isName(module) && isName(input) && rest.length === 0) return { kind: "module", module, input };
    return this.#fail(span, "expected an address of four parts", SINK_HINT);
  }

  /** Everything that binds as tightly as `level`, or tighter. */
  #expression(level: number): Expression {
    let left = this.#prefix();
    for (;;) {
      const infix = this.#infix();
      if (infix === undefined || infix.level < level) return left;
      left = infix.kind === "chain" ? this.#chain(left, infix) : this.#pair(left, infix);
    }
  }

  #infix(): Infix | undefined {
    const token = this.#token;
    return token.kind === "symbol" || token.kind === "keyword" ? INFIX.get(token.text) : undefined;
  }

  #chain(first: Expression, infix: Infix & { kind: "chain" }): Expression {
    const operands = [first];
    while (this.#infix() === infix) {
      this.#advance();
      operands.push(this.#expression(infix.level + 1));
    }
    return { kind: "chain", operator: infix.operator, operands, ...this.#around(operands) };
  }

  #pair(left: Expression, infix: Exclude<Infix, { kind: "chain" }>): Expression {
    this.#advance();
    const right = this.#expression(infix.level + 1);
    const place = this.#around([left, right]);
    return infix.kind === "comparison"
      ? { kind: "comparison", operator: infix.operator, left, right, ...place }
      : { kind: "arithmetic", operator: infix.operator, left, right, ...place };
  }

  /** Span and height of a node over `children`, from `start` to where the parser is. */
  #around(
    children: readonly Expression[],
    start: number = children[0]!.span.start,
    end: number = children.at(-1)!.span.end,
  ): { span: Span; height: number } {
    const height = 1 + children.reduce((highest, child) => Math.max(highest, child.height), 0);
    const span = { start, end };
    if (height > EXPRESSION_DEPTH_MAX) this.#tooDeep(span);
    return { span, height };
  }

  #prefix(): Expression {
    const { start } = this.#token;
    if (++this.#depth > EXPRESSION_DEPTH_MAX) this.#tooDeep(this.#token);
    const operator = this.#isKeyword("NOT") ? "not" : this.#isSymbol("-") ? "-" : null;
    let expression: Expression;
    if (operator === null) {
      expression = this.#operand();
    } else {
      this.#advance();
      const operand = this.#prefix();
      const place = this.#around([operand], start);
      expression = { kind: "unary", operator, operand, ...place };
    }
    this.#depth--;
    return expression;
  }

  #operand(): Expression {
    const token = this.#token;
    const leaf = { span: { start: token.start, end: token.end }, height: 1 };
    switch (token.kind) {
      case "number":
      case "string":
        this.#advance();
        return { kind: "literal", value: token.value, ...leaf };
      case "name":
        this.#advance();
        if (this.#isSymbol("(")) return this.#call(token.text, token.start);
        if (WORDS.has(token.text)) return { kind: "literal", value: WORDS.get(token.text), ...leaf };
        return { kind: "application", name: token.text, ...leaf };
      case "reference":
        this.#advance();
        return this.#reference(token.text, leaf, false);
      case "symbol":
        if (token.text === "(") return this.#parenthesised();
        if (token.text === "{") return this.#forced();
        return this.#expected("a value");
      default:
        return this.#expected("a value");
    }
  }

  #parenthesised(): Expression {
    this.#advance();
    const inner = this.#expression(1);
    this.#expectSymbol(")");
    return inner;
  }

  #forced(): Expression {
    const { start } = this.#token;
    this.#advance();
    const token = this.#token;
    if (token.kind !== "reference") return this.#expected("a name with $");
    this.#advance();
    const { end } = this.#token;
    this.#expectSymbol("}");
    return this.#reference(token.text, { span: { start, end }, height: 1 }, true);
  }

  #reference(text: string, leaf: { span: Span; height: number }, forced: boolean): Expression {
    if (/^\$body(?:[.[]|$)/i.test(text)) {
      return { kind: "body", text, path: this.#bodyPath(text, leaf.span), forced, ...leaf };
    }
    // Only a body has elements (contract §3.3).
    if (text.includes("[")) return { kind: "literal", value: undefined, ...leaf };
    return { kind: "system", name: text.slice(1), forced, ...leaf };
  }

  #bodyPath(text: string, span: Span): BodyPath {
    const steps: (string | number)[] = [];
    const step = /\.([^.[\]]+)|\[(\d+)\]/y;
    for (step.lastIndex = "$body".length; step.lastIndex < text.length;) {
      const match = step.exec(text);
      if (match === null) return this.#fail(span, "malformed path", "a path is like $body.a.b[0].c", text);
      steps.push(match[1] ?? Number(match[2]));
    }
    return steps;
  }

  #call(name: string, start: number): Expression {
    const operands: Expression[] = [];
    this.#advance();
    if (!this.#isSymbol(")")) {
      operands.push(this.#expression(1));
      while (this.#isSymbol(",")) {
        this.#advance();
        operands.push(this.#expression(1));
      }
    }
    const { end } = this.#token;
    if (!this.#isSymbol(")")) this.#expected('"," or ")"');
    this.#advance();
    return { kind: "call", name: name.toLowerCase(), operands, ...this.#around(operands, start, end) };
  }

  #advance(): void {
    this.#token = this.#lexer.next();
  }

  #isSymbol(text: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === text;
  }

  #isKeyword(word: Keyword): boolean {
    return this.#token.kind === "keyword" && this.#token.text === word;
  }

  #takeKeyword(word: Keyword): boolean {
    const found = this.#isKeyword(word);
    if (found) this.#advance();
    return found;
  }

  #expectSymbol(text: string): void {
    if (!this.#isSymbol(text)) this.#expected(`"${text}"`);
    this.#advance();
  }

  #expected(what: string, hint?: string): never {
    const { start, end } = this.#token;
    const found = this.#lexer.query.slice(start, end);
    return this.#lexer.fail(start, `expected ${what}`, { found, hint: hint ?? HABITS.get(found) });
  }

  #tooDeep(span: Span): never {
    return this.#fail(span, `nested deeper than ${EXPRESSION_DEPTH_MAX}`);
  }

  #fail(span: Span, problem: string, hint?: string, found?: string): never {
    return this.#lexer.fail(span.start, problem, found === undefined ? { hint } : { hint, found });
  }
}
