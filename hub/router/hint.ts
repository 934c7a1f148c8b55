/**
 * Advice for conditions that do not compile. Most of these come from one surprise: a property is text.
 */
import { BUILTINS, type StaticType } from "./builtins.ts";
import type { Expression } from "./syntax.ts";

/** A name that was meant to be an expression: `3+4`, `a||b`. */
const LOOKS_LIKE_EXPRESSION = /^\d.*[-+*%]|[+*%]|\|\|/;
const NAME_LENGTH_SHOWN_MAX = 64;
const LOOKS_LIKE_WORD = /^(?:true|false|null|undefined)$/i;

/** @param expected the type wanted in place of `tree`, when there is one */
export function typeHint(tree: Expression, expected: StaticType): string | undefined {
  if (tree.kind !== "application" && tree.kind !== "system") return undefined;
  const name = tree.name.length > NAME_LENGTH_SHOWN_MAX ? "..." : tree.name;
  if (tree.kind === "application") {
    if (LOOKS_LIKE_WORD.test(name)) return `write ${name.toLowerCase()} in lower case`;
    if (LOOKS_LIKE_EXPRESSION.test(name)) return `"${name}" is read as one name: put blanks around operators`;
  }
  const written = tree.kind === "application" ? name : `$${name}`;
  switch (expected) {
    case "number":
      return `a property is text: write as_number(${written})`;
    case "bool":
      return `a property is text: write ${written} = 'true'`;
    default:
      return undefined;
  }
}

/** For operands of NOT, which binds tighter than people expect. */
export function negationHint(tree: Expression): string | undefined {
  const isReference = tree.kind === "application" || tree.kind === "system";
  return isReference ? "NOT binds tightest: write NOT (a = b)" : undefined;
}

/** For a function that is none; most often an underscore is missing. */
export function functionHint(name: string): string {
  const bare = (text: string): string => text.replaceAll("_", "");
  const names = [...BUILTINS.keys()];
  const meant = names.find((known) => bare(known) === bare(name));
  return meant === undefined ? `functions are ${names.join(", ")}` : `write ${meant}`;
}
