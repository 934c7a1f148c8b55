/**
 * What a module's next instance begins with: the configuration that its worker was started with, or the desired
 * properties that a DESIRED record brought since.
 */
import { DESIRED, ENTRY, entryKind, RECORD, type Block, type SandboxSpec } from "../../abi/index.ts";

export interface ModuleConfig {
  readonly version: number;
  /** JSON. */
  readonly json: Uint8Array;
}

export const configOf = ({ config, configVersion }: SandboxSpec): ModuleConfig => ({
  version: configVersion,
  json: Buffer.from(JSON.stringify(config) ?? "null"),
});

/** The one that a batch brings, if it does: a DESIRED record comes alone. */
export function configIn(batch: Block): ModuleConfig | null {
  if (entryKind(batch, 0) !== RECORD.DESIRED) return null;
  const { u8, u32 } = batch;
  const w = ENTRY.SIZE >> 2;
  const from = ENTRY.SIZE + DESIRED.SIZE + u32[w + (DESIRED.PATCH_LEN >> 2)]!;
  const json = Buffer.from(u8.subarray(from, from + u32[w + (DESIRED.WHOLE_LEN >> 2)]!));
  return { version: u32[w + (DESIRED.VERSION >> 2)]!, json };
}
