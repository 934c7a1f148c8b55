/**
 * The module manifest, from the custom section of a wasm binary to a value that cannot be wrong. Strangers'
 * bytes: bounded before they are parsed, and refused with the path of what does not fit.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { MANIFEST_BYTES_MAX, MANIFEST_SECTION, type ModuleManifest } from "../../abi/index.ts";
import { loadValidator } from "../schema/validator.ts";
import { ModuleRefusal } from "./errors.ts";
import { compileModule } from "./wasm-module.ts";

const QUOTED_CHARS_MAX = 80;
const HINT_BUILD = "build the module with `sandpiper build`, which writes the manifest into it";

let validator: ValidateFunction<ModuleManifest> | undefined;

/**
 * @throws {ModuleRefusal} SP_MODULE_MANIFEST, with the JSON path in `details.path`; SP_MODULE_WASM when
 *   bytes are not wasm
 */
export function decodeModuleManifest(wasm: Uint8Array | WebAssembly.Module): ModuleManifest {
  const module = wasm instanceof Uint8Array ? compileModule(wasm) : wasm;
  const found = WebAssembly.Module.customSections(module, MANIFEST_SECTION);
  if (found.length !== 1)
    throw refused("", `module: ${found.length} custom sections "${MANIFEST_SECTION}", expected 1`);
  const bytes = new Uint8Array(found[0]!);
  if (bytes.length > MANIFEST_BYTES_MAX)
    throw refused("", `module manifest: ${bytes.length} bytes, more than ${MANIFEST_BYTES_MAX}`);
  return validated(parsed(bytes));
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw refused("", "module manifest: not JSON in utf-8");
  }
}

function validated(value: unknown): ModuleManifest {
  validator ??= loadValidator<ModuleManifest>("module-manifest");
  if (!validator(value)) throw schemaRefusal(validator.errors?.[0]);
  const names = value.timers.map((timer) => timer.name);
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (twice >= 0)
    throw refused(`/timers/${twice}/name`, `module manifest: timer "${names[twice]}" is declared twice`);
  return value;
}

function schemaRefusal(error: ErrorObject | undefined): ModuleRefusal {
  const { instancePath = "", message = "does not fit the schema", params = {}, data } = error ?? {};
  const extra: unknown = params["additionalProperty"];
  const path = typeof extra === "string" ? `${instancePath}/${extra}` : instancePath;
  const quoted = typeof data === "object" ? "" : `, got ${bounded(JSON.stringify(data))}`;
  return refused(path, `module manifest: ${bounded(path) || "/"} ${message}${quoted}`);
}

const bounded = (text = "undefined"): string =>
  text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}...` : text;

const refused = (path: string, message: string): ModuleRefusal =>
  new ModuleRefusal("SP_MODULE_MANIFEST", message, { hint: HINT_BUILD, details: { path } });
