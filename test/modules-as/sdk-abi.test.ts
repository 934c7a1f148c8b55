/** The SDK states the layouts for itself, since a guest cannot import abi/. This is what keeps the two one. */
import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import * as abi from "../../abi/index.ts";

const SDK = new URL("../../modules-as/sdk/", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, SDK), "utf8");

/** `NAME` or `TABLE.NAME` -> value, of modules-as/sdk/abi.ts. */
function sdkConstants(): Map<string, number> {
  const found = new Map<string, number>();
  let table = "";
  for (const line of read("abi.ts").split("\n")) {
    const opened = /^export namespace (\w+)/.exec(line);
    if (opened) table = `${opened[1]}.`;
    if (line === "}") table = "";
    const constant = /export const (\w+): \w+ = (-?\w+);/.exec(line);
    if (constant) found.set(`${table}${constant[1]}`, Number(constant[2]));
  }
  return found;
}

test("every constant of the SDK has the value that abi/ gives it", () => {
  const constants = sdkConstants();
  expect(constants.size).toBeGreaterThan(70);
  for (const [name, value] of constants) {
    const [table, field] = name.split(".");
    const rows = abi as unknown as Record<string, number | Record<string, number>>;
    const there = field === undefined ? rows[table!] : (rows[table!] as Record<string, number>)[field];
    expect({ name, value: there }).toEqual({ name, value });
  }
});

test("the SDK imports each host function, with the parameters that abi/ lists", () => {
  const source = read("host.ts").replaceAll(/\s+/g, " ");
  const declared = [
    ...source.matchAll(/@external\("(\w+)", "(\w+)"\) export declare function \w+\(([^)]*)\): (\w+);/g),
  ].map(([, namespace, name, params, result]) => ({
    namespace,
    name,
    params: params!.split(",").filter((param) => param.trim() !== "").length,
    result,
  }));
  expect(declared).toEqual(
    abi.HOST_FUNCTIONS.map(({ name, params, result }) => ({
      namespace: abi.IMPORT_NAMESPACE,
      name,
      params: params.length,
      result: result ?? "void",
    })),
  );
});

test("raw memory is touched in memory.ts alone", () => {
  const files = readdirSync(SDK).filter((file) => file.endsWith(".ts") && file !== "memory.ts");
  const raw = files.filter((file) =>
    /\b(load|store)<|\bmemory\.(copy|fill|grow)\(|\bheap\./.test(read(file)),
  );
  expect(raw).toEqual([]);
});
