/**
 * The base of every operating error: something expected, that somebody can act on.
 *
 * `code` is stable and listed in docs/errors.md; `message` names the subject and quotes the offending
 * value; `hint` is the reader's next step. A peer's protocol violation is a value, not one of these,
 * and a bug is an assertion.
 */
export class SandpiperError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  /** Plain data for `--json`, logs and the thread boundary. Never secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { hint?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** What crosses a thread or a socket in place of an error: structured-cloneable, no stack. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A bug has no code of its own; it crosses as `SP_INTERNAL`, and its stack stays where it was thrown. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof SandpiperError) {
    const { code, message, hint, details } = error;
    return hint === undefined ? { code, message, details } : { code, message, hint, details };
  }
  return {
    code: "SP_INTERNAL",
    message: error instanceof Error ? error.message : String(error),
    details: {},
  };
}

export function fromErrorRecord(record: ErrorRecord): SandpiperError {
  const options = { details: { ...record.details } };
  return new SandpiperError(
    record.code,
    record.message,
    record.hint === undefined ? options : { ...options, hint: record.hint },
  );
}
