/**
 * Characters of a route query to tokens, one at a time.
 *
 * A name is any run of characters that are not punctuation, so it may hold `-`, `+`, `!` or `'`: `a-b` is
 * one name, as in IoT Edge. It may not begin with an operator, so `-a` is not one. Since `/*` is both a
 * comment and a source, the source is read by a method of its own.
 */
import { RouteSyntaxError } from "./errors.ts";
import type { Span } from "./syntax.ts";

export type Keyword = "SELECT" | "FROM" | "WHERE" | "INTO" | "AND" | "OR" | "NOT";

export type Token = Span &
  (
    | { readonly kind: "keyword"; readonly text: Keyword }
    /** `reference`: begins with `$`, and may hold indexes: `$body.a[0].b`. */
    | { readonly kind: "name" | "reference" | "symbol"; readonly text: string }
    | { readonly kind: "string"; readonly value: string }
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "end" }
  );

const KEYWORDS: ReadonlySet<string> = new Set(["SELECT", "FROM", "WHERE", "INTO", "AND", "OR", "NOT"]);
const isKeyword = (text: string): text is Keyword => KEYWORDS.has(text);

/** Contract §3.3; every other blank and control character ends a name too. */
const RUN = String.raw`[^()<>@,;:\\"/[\]?={}\s\p{Cc}]+`;
const NAME = new RegExp(RUN, "uy");
const SOURCE = new RegExp(`/(?:${RUN}(?:/${RUN})*/?)?`, "uy");
const INDEX = /\[\d{1,9}\]/y;
const NUMBER = /^(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)$/;
const SYMBOL = /<=|>=|<>|!=|\|\||\?\?|[()<>=,{}+\-*/%]/y;
const BLANKS = /\s*/y;
const UNICODE_ESCAPE = /u([0-9a-fA-F]{4})/y;

export class Lexer {
  readonly query: string;
  #at = 0;

  constructor(query: string) {
    this.query = query;
  }

  /** @throws {RouteSyntaxError} when no token begins here. */
  next(): Token {
    const behindLast = this.#at;
    this.#skipBlanksAndComments();
    const start = this.#at;
    const first = this.query[start];
    // The caret is of more use behind the last word than on an empty line below it.
    if (first === undefined) return { kind: "end", start: behindLast, end: behindLast };
    if (first === '"' || first === "'") return this.#string(start, first);
    if (first === "$") return this.#reference(start);

    const symbol = this.#match(SYMBOL);
    if (symbol !== null) return { kind: "symbol", text: symbol, start, end: this.#at };
    const name = first === "!" || first === "|" ? null : this.#name();
    if (name === null) {
      const hint = first === "!" ? 'write NOT for "!"' : undefined;
      return this.fail(start, "unexpected character", { found: first, hint });
    }
    const span = { start, end: this.#at };
    const upper = name.toUpperCase();
    if (isKeyword(upper)) return { kind: "keyword", text: upper, ...span };
    if (NUMBER.test(name)) return { kind: "number", value: Number(name), ...span };
    return { kind: "name", text: name, ...span };
  }

  /** The path behind FROM, as written. */
  source(): string {
    this.#match(BLANKS);
    this.#skipCommentsBeforeSource();
    const path = this.#match(SOURCE);
    if (path !== null) return path;
    const { start, end } = this.next();
    return this.fail(start, "expected a source", {
      found: this.query.slice(start, end),
      hint: "a source is a path such as /messages/* or /messages/modules/<module>/outputs/<output>",
    });
  }

  /** @throws {RouteSyntaxError} always. */
  fail(at: number, problem: string, options: { found?: string; hint?: string | undefined } = {}): never {
    throw new RouteSyntaxError(this.query, at, problem, options);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const matched = pattern.exec(this.query)?.[0];
    if (matched === undefined) return null;
    this.#at += matched.length;
    return matched;
  }

  /** In `a!=b` the `!` belongs to the operator, although a name may hold one. */
  #name(): string | null {
    const name = this.#match(NAME);
    if (name === null || !name.endsWith("!") || this.query[this.#at] !== "=") return name;
    this.#at--;
    return name.slice(0, -1);
  }

  #reference(start: number): Token {
    const name = this.#name();
    if (name === "$" || name === null) return this.fail(start, "expected a name behind $");
    while (this.query[this.#at] === "[") {
      const bracket = this.#at;
      if (this.#match(INDEX) === null) {
        return this.fail(bracket, "expected an index such as [0]", { hint: "an index is a whole number" });
      }
      if (this.query[this.#at] === ".") this.#name();
    }
    return { kind: "reference", text: this.query.slice(start, this.#at), start, end: this.#at };
  }

  #string(start: number, quote: string): Token {
    let value = "";
    for (this.#at++; ; this.#at++) {
      const character = this.query[this.#at];
      if (character === undefined) return this.fail(start, "string without end");
      if (character === quote) break;
      value += character === "\\" ? this.#escape() : character;
    }
    return { kind: "string", value, start, end: ++this.#at };
  }

  /** Leaves `#at` on the last character of the escape. */
  #escape(): string {
    const start = this.#at++;
    const character = this.query[this.#at] ?? "";
    if (character === '"' || character === "'" || character === "\\") return character;
    const escape = this.#match(UNICODE_ESCAPE);
    if (escape === null) {
      return this.fail(start, "unknown escape", {
        found: `\\${character}`,
        hint: `the escapes are \\" \\' \\\\ and \\uXXXX`,
      });
    }
    this.#at--;
    return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  }

  #skipBlanksAndComments(): void {
    for (this.#match(BLANKS); this.query.startsWith("/*", this.#at); this.#match(BLANKS)) {
      const close = this.query.indexOf("*/", this.#at + 2);
      if (close < 0) return this.fail(this.#at, "comment without end");
      this.#at = close + 2;
    }
  }

  /** Behind FROM, `/*` is a source, unless it has an end and a source follows. */
  #skipCommentsBeforeSource(): void {
    while (this.query.startsWith("/*", this.#at)) {
      const start = this.#at;
      const close = this.query.indexOf("*/", start + 2);
      if (close < 0) return;
      this.#at = close + 2;
      this.#match(BLANKS);
      if (this.query[this.#at] === "/") continue;
      this.#at = start;
      return;
    }
  }
}
