import { SandpiperError } from "../../abi/index.ts";

/** What keeps a measurement from being taken. */
export class BenchError extends SandpiperError {}
