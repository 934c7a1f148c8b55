/** The modules that ship with Sandpiper, as projects that `compileModule` builds. */
import path from "node:path";
import { STOCK_DIR } from "./package-root.ts";

export const STOCK_MODULES = [
  "simulated-temperature-sensor",
  "threshold-filter",
  "anomaly-detector",
] as const;
export type StockModule = (typeof STOCK_MODULES)[number];

export const stockModuleDir = (name: StockModule): string => path.join(STOCK_DIR, name);
