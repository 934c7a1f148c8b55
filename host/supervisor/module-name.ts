/** Names of modules: what a deployment may call them, and what may become part of a file name. */
import { NAME_BYTES_MAX } from "../../abi/index.ts";

export const MODULE_NAME_PATTERN = "^[A-Za-z0-9_-]+$";

const pattern = new RegExp(MODULE_NAME_PATTERN);

export const isModuleName = (name: string): boolean => name.length <= NAME_BYTES_MAX && pattern.test(name);
