/**
 * The tree of a route query. Nothing here is checked for types: `condition.ts` does that, and needs the
 * spans to say where.
 */

/** Offsets into the query, in UTF-16 units; `end` is behind the last one. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface RouteSyntax {
  /** As written, such as `/messages/modules/a/*`. */
  readonly source: string;
  /** `null` without WHERE. */
  readonly where: Expression | null;
  readonly sink: Sink;
}

export type Sink =
  | { readonly kind: "upstream" }
  | { readonly kind: "module"; readonly module: string; readonly input: string };

export type ComparisonOperator = "=" | "!=" | "<" | "<=" | ">" | ">=";
export type ArithmeticOperator = "*" | "/" | "%" | "+" | "-";
/** Operators whose operands stand side by side, however many there are. */
export type ChainOperator = "and" | "or" | "??" | "||";

interface Node {
  readonly span: Span;
  /** Longest way down to a leaf: bounds the recursion of everybody who walks the tree. */
  readonly height: number;
}

export interface Literal extends Node {
  readonly kind: "literal";
  readonly value: string | number | boolean | null | undefined;
}

/** An application property. */
export interface ApplicationReference extends Node {
  readonly kind: "application";
  readonly name: string;
}

/** `$name`: a system property, unless an application property has just that name with its `$`. */
export interface SystemReference extends Node {
  readonly kind: "system";
  /** Without `$`. */
  readonly name: string;
  /** Written `{$name}`: application properties are not asked. */
  readonly forced: boolean;
}

/** `$body.a[2].b`: a value in the JSON body, with the same rule of precedence. */
export interface BodyReference extends Node {
  readonly kind: "body";
  /** As written, with `$body`: the application property that would come first. */
  readonly text: string;
  /** Empty for bare `$body`. */
  readonly path: BodyPath;
  readonly forced: boolean;
}

/** Keys of objects and indexes of arrays, from the root. */
export type BodyPath = readonly (string | number)[];

export interface Unary extends Node {
  readonly kind: "unary";
  readonly operator: "-" | "not";
  readonly operand: Expression;
}

export interface Comparison extends Node {
  readonly kind: "comparison";
  readonly operator: ComparisonOperator;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Arithmetic extends Node {
  readonly kind: "arithmetic";
  readonly operator: ArithmeticOperator;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Chain extends Node {
  readonly kind: "chain";
  readonly operator: ChainOperator;
  readonly operands: readonly Expression[];
}

export interface Call extends Node {
  readonly kind: "call";
  /** Lower case. */
  readonly name: string;
  readonly operands: readonly Expression[];
}

export type Expression =
  | Literal
  | ApplicationReference
  | SystemReference
  | BodyReference
  | Unary
  | Comparison
  | Arithmetic
  | Chain
  | Call;
