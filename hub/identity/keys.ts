/** Keys of devices and modules: random, base64, as long as IoT Hub's own. */
import { randomBytes } from "node:crypto";

const KEY_BYTES = 32;

export const newKey = (): string => randomBytes(KEY_BYTES).toString("base64");

/** Two, so that one can be replaced while the other is in use. */
export const newKeys = (): { readonly primaryKey: string; readonly secondaryKey: string } => ({
  primaryKey: newKey(),
  secondaryKey: newKey(),
});
