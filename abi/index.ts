/**
 * The contract between module and host: layouts, tables, limits, and pure codecs. No I/O, no timers, and
 * no imports from other areas. ABI.md is its public form.
 */
export * from "./block.ts";
export * from "./capability.ts";
export * from "./control-entry.ts";
export * from "./entry.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./host-functions.ts";
export * from "./layout.ts";
export * from "./limits.ts";
export * from "./link.ts";
export * from "./manifest.ts";
export * from "./property.ts";
export * from "./signature.ts";
export * from "./status.ts";
export * from "./version.ts";
