/** Asking before something is deleted for good. */
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";

export const YES_OPTION = { yes: { type: "boolean", short: "y", description: "do not ask" } } as const;

/**
 * Whether `what` is to be deleted; says so when it is not.
 * @throws {UsageError} there is neither `--yes` nor anybody to ask
 */
export async function isDeletionMeant(
  { values, ask, err }: Pick<Context, "values" | "ask" | "err">,
  what: string,
  question: string,
): Promise<boolean> {
  if (values["yes"] === true) return true;
  const answer = await ask(`${question} [y/N] `);
  if (answer === null) throw new UsageError(`${what}: not deleted`, "--yes says that you mean it");
  const isMeant = /^y(es)?$/i.test(answer.trim());
  if (!isMeant) err("nothing deleted");
  return isMeant;
}
