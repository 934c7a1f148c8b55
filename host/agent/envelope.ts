/**
 * The outside of a deployment manifest: bounds, the optional `content`, and each module's one literal key
 * `properties.desired` (contract §1.1). What is inside the sections is not looked at.
 */
import { isModuleName } from "../supervisor/module-name.ts";
import { DeploymentError } from "./errors.ts";
import type { JsonPath } from "./json-path.ts";
import { quote } from "./schema-check.ts";

export interface Section {
  readonly desired: Readonly<Record<string, unknown>>;
  readonly at: JsonPath;
}

export interface Sections {
  readonly agent: Section;
  readonly hub: Section;
  /** Custom modules' twins. */
  readonly others: ReadonlyMap<string, Section>;
}

export const DEPLOYMENT_BYTES_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 40;
const DESIRED = "properties.desired";

/** @throws {DeploymentError} 400, 417 */
export function openEnvelope(json: unknown): Sections {
  checkBounds(json);
  const { content, at } = findContent(json);
  if (Object.keys(content).length === 0) throw new DeploymentError(417, at, "empty");
  const sections = new Map(
    Object.entries(content).map(([name, value]) => [name, openSection(value, [...at, name])]),
  );
  const agent = take(sections, "$edgeAgent", at);
  if (Object.keys(agent.desired).length === 0) throw new DeploymentError(417, agent.at, "empty");
  const hub = take(sections, "$edgeHub", at);
  for (const name of sections.keys()) {
    if (!isModuleName(name)) throw new DeploymentError(400, [...at, name], "not a module's name");
  }
  return { agent, hub, others: sections };
}

function checkBounds(json: unknown): void {
  if (isDeeper(json, DEPTH_MAX)) throw new DeploymentError(400, [], `nested more than ${DEPTH_MAX} deep`);
  const bytes = Buffer.byteLength(JSON.stringify(json) ?? "");
  if (bytes > DEPLOYMENT_BYTES_MAX) {
    throw new DeploymentError(400, [], `${bytes} bytes, more than ${DEPLOYMENT_BYTES_MAX}`);
  }
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((child) => isDeeper(child, levels - 1)));

function findContent(json: unknown): { readonly content: Record<string, unknown>; readonly at: JsonPath } {
  const root = objectAt(json, []);
  if (Object.keys(root).length === 0) throw new DeploymentError(417, [], "empty");
  const wrapped = Object.hasOwn(root, "content");
  const outer = wrapped ? objectAt(root["content"], ["content"]) : root;
  const at = [...(wrapped ? ["content"] : []), "modulesContent"];
  if (!Object.hasOwn(outer, "modulesContent")) {
    throw new DeploymentError(400, at, "missing", {
      hint: 'a deployment manifest is an object with the key "modulesContent"',
    });
  }
  return { content: objectAt(outer["modulesContent"], at), at };
}

function openSection(value: unknown, at: JsonPath): Section {
  const section = objectAt(value, at);
  const keys = Object.keys(section);
  const layered = keys.find((key) => key.startsWith(`${DESIRED}.`));
  if (layered !== undefined) {
    throw new DeploymentError(400, [...at, layered], "a layer of a layered deployment cannot be applied", {
      hint: "apply the merged deployment: one key properties.desired for each module",
    });
  }
  if (!keys.includes(DESIRED)) {
    throw new DeploymentError(400, [...at, DESIRED], "missing", {
      hint: 'each module has one key, "properties.desired", with a dot in it',
    });
  }
  const stray = keys.find((key) => key !== DESIRED);
  if (stray !== undefined) throw new DeploymentError(400, [...at, stray], "unknown key");
  return { desired: objectAt(section[DESIRED], [...at, DESIRED]), at: [...at, DESIRED] };
}

function take(sections: Map<string, Section>, name: string, at: JsonPath): Section {
  const section = sections.get(name);
  if (!section) throw new DeploymentError(400, [...at, name], "missing");
  sections.delete(name);
  return section;
}

function objectAt(value: unknown, at: JsonPath): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new DeploymentError(400, at, `must be an object, got ${quote(value)}`);
}
