/** Errors of the toolchain. Every one is for the person at the keyboard. */
import { SandpiperError } from "../abi/index.ts";

/** A place in a source file, and what is wrong there. Lines and columns count from 1. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** Relative to the project's folder; empty when no file is to blame. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

export type CompileErrorCode = "SP_COMPILE" | "SP_PROJECT" | "SP_COMPILER";

/** SP_COMPILE: the source is at fault; `diagnostics` says where. SP_PROJECT, SP_COMPILER: what surrounds it. */
export class CompileError extends SandpiperError {
  declare readonly code: CompileErrorCode;
  readonly diagnostics: readonly Diagnostic[];

  constructor(
    code: CompileErrorCode,
    message: string,
    options: { diagnostics?: readonly Diagnostic[]; hint?: string; cause?: unknown } = {},
  ) {
    const { diagnostics = [], ...rest } = options;
    super(code, message, { ...rest, details: { diagnostics } });
    this.diagnostics = diagnostics;
  }
}

/** SP_ARTIFACT: the bytes are not a module that a gateway would run. */
export class ArtifactError extends SandpiperError {}

/** SP_KEY_FILE, SP_KEY_FILE_MODE, SP_FILE_EXISTS, SP_TRUST_FILE: a file of the signing kind. */
export class KeyFileError extends SandpiperError {}

/** SP_SIGNATURE: an artifact is not signed as it must be. */
export class VerifyError extends SandpiperError {}

/** SP_FILE: a file could not be read or written. */
export class FileError extends SandpiperError {}

/** SP_USAGE: the command line itself is wrong. Exit code 2. */
export class UsageError extends SandpiperError {
  constructor(message: string, hint?: string) {
    super("SP_USAGE", message, hint === undefined ? {} : { hint });
  }
}
