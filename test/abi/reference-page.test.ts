/** abi/ABI.md is what authors in other languages read. Every table in it is compared with abi/, both ways. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as abi from "../../abi/index.ts";
import { readArtifact } from "../../toolchain/artifact.ts";
import { appendCustomSection } from "../../toolchain/wasm-sections.ts";
import { TestGuest } from "../modules-as/test-guest.ts";
import { readVector } from "./hex-file.ts";

const page = readFileSync(new URL("../../abi/ABI.md", import.meta.url), "utf8");

/** Rows of the table behind `<!-- table: name -->`, cells without backticks. */
function tableOf(name: string): string[][] {
  const lines = page.split(`<!-- table: ${name} -->`)[1]?.trimStart().split("\n") ?? [];
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

const layouts = {
  "INIT 48": abi.INIT,
  "BATCH 64": abi.BATCH,
  "ENTRY 32": abi.ENTRY,
  "FRAME 56": abi.FRAME,
  "PROPERTY 12": abi.PROPERTY,
  "RESULT 32": abi.RESULT,
  "EFFECT_HEADER 24": abi.EFFECT_HEADER,
  "DESIRED 16": abi.DESIRED,
  "METHOD 16": abi.METHOD,
  "REPLY 16": abi.REPLY,
  "REPORT 8": abi.REPORT,
  "METHOD_REPLY 8": abi.METHOD_REPLY,
  "INVOKE 24": abi.INVOKE,
} as const;

describe("the page", () => {
  test.for(Object.entries(layouts))("draws the header %s", ([title, { SIZE, ...fields }]) => {
    expect(Number(title.split(" ")[1])).toBe(SIZE);
    const rows = tableOf(title);
    const expected = Object.entries(fields).map(([field, offset]) => [String(offset), field.toLowerCase()]);
    expect(rows.map(([offset, field]) => [offset, field])).toEqual(expected);
    const ends = [...expected.slice(1).map(([offset]) => Number(offset)), SIZE];
    rows.forEach(([offset, , type], index) => {
      expect({ offset, type, bytes: bytesOfType(type!) }).toMatchObject({
        bytes: ends[index]! - Number(offset),
      });
    });
  });

  const tables = {
    BATCH_FLAG: abi.BATCH_FLAG,
    RECORD: abi.RECORD,
    ENTRY_FLAG: abi.ENTRY_FLAG,
    PROPERTY_TYPE: abi.PROPERTY_TYPE,
    EFFECT: abi.EFFECT,
    VERDICT: abi.VERDICT,
    FEATURE: abi.FEATURE,
    REPLY_STATUS: abi.REPLY_STATUS,
    STATUS: abi.STATUS,
  } as const;
  test.for(Object.entries(tables))("lists every %s with its number", ([title, values]) => {
    expect(tableOf(title).map(([name, value]) => [name, Number(value)])).toEqual(Object.entries(values));
  });

  test("lists every limit with its value", async () => {
    const limits = Object.entries(await import("../../abi/limits.ts"));
    const byName = (rows: [string | undefined, unknown][]): unknown[] =>
      rows.sort(([a], [b]) => (a! < b! ? -1 : 1));
    expect(byName(tableOf("limits").map(([name, value]) => [name, Number(value)]))).toEqual(byName(limits));
  });

  test("lists every host function with its parameters, result and capability", () => {
    const expected = abi.HOST_FUNCTIONS.map(({ name, params, result, capability }) => [
      name,
      params.map(([param, type]) => `${param} ${type}`).join(", "),
      result ?? "none",
      capability ?? "none",
    ]);
    expect(tableOf("HOST_FUNCTIONS").map((row) => row.slice(0, 4))).toEqual(expected);
  });

  test("lists every export, every runtime import and every system property", () => {
    expect(
      tableOf("GUEST_EXPORTS").map(([name, kind, required]) => [name, kind, required === "yes"]),
    ).toEqual(abi.GUEST_EXPORTS.map(({ name, kind, required }) => [name, kind, required]));
    expect(tableOf("RUNTIME_IMPORTS").map(([name]) => name)).toEqual(abi.RUNTIME_IMPORTS);
    expect(tableOf("SYSTEM_PROPERTIES").map(([id, name, bag]) => ({ id: Number(id), name, bag }))).toEqual(
      abi.SYSTEM_PROPERTIES.slice(1).map((row, index) => ({ id: index + 1, ...row })),
    );
  });

  test("names the magic numbers, the namespace and the marker", () => {
    for (const magic of [abi.INIT_MAGIC, abi.BATCH_MAGIC, abi.RESULT_MAGIC]) {
      expect(page).toContain(`0x${magic.toString(16)}, "${Buffer.from(u32Bytes(magic)).toString()}"`);
    }
    for (const word of [abi.IMPORT_NAMESPACE, abi.MARKER_EXPORT, abi.MANIFEST_SECTION])
      expect(page).toContain(word);
  });

  test("has no table that is not compared here", () => {
    const compared = [...Object.keys(layouts), ...Object.keys(tables)];
    const others = ["GUEST_EXPORTS", "HOST_FUNCTIONS", "RUNTIME_IMPORTS", "SYSTEM_PROPERTIES", "limits"];
    const found = [...page.matchAll(/<!-- table: (.+) -->/g)].map(([, name]) => name!);
    expect([...found].sort()).toEqual([...compared, ...others].sort());
    expect(page.match(/^\| -+ \|/gm)).toHaveLength(found.length);
  });
});

describe("the example of the page", () => {
  const [, wat] = /```wat\n([\s\S]*?)```/.exec(page)!;
  const manifests = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => json!);

  async function assembled(): Promise<Uint8Array> {
    const specifier: string = "binaryen";
    const { default: binaryen } = (await import(specifier)) as {
      default: { parseText(text: string): { emitBinary(): Uint8Array; dispose(): void } };
    };
    const module = binaryen.parseText(wat!);
    const code = module.emitBinary();
    module.dispose();
    return appendCustomSection(code, abi.MANIFEST_SECTION, Buffer.from(manifests.at(-1)!));
  }

  test("is an artifact that a gateway accepts, and passes on every message of a batch", async () => {
    const wasm = await assembled();
    await expect(readArtifact(wasm)).resolves.toMatchObject({
      manifest: { name: "forward", outputs: ["out"] },
    });
    const guest = new TestGuest(wasm);
    const effects = guest.run([{ body: "one" }, { timer: 0 }, { body: "two" }]);
    expect(effects).toEqual([
      { kind: "pass", port: 0, cause: 0, record: 0 },
      { kind: "pass", port: 0, cause: 2, record: 2 },
    ]);
    expect(guest.run([])).toEqual([]);
    expect(guest.send(readVector("batch"))).toBe(64);
    expect(guest.exports.sp_mailbox(200_000)).toBe(0);
  });

  test("shows a manifest that is valid", async () => {
    const { Ajv } = await import("ajv");
    const isManifest = new Ajv().compile(abi.MODULE_MANIFEST_SCHEMA);
    expect(manifests).toHaveLength(2);
    for (const text of manifests)
      expect({ text, valid: isManifest(JSON.parse(text)) }).toMatchObject({ valid: true });
  });
});

function bytesOfType(type: string): number {
  const [, unit, count] = /^(u8|u16|u32|i32|f64|\d+ bytes)(?:\[(\d+)\])?$/.exec(type)!;
  const sizes: Record<string, number> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };
  return (sizes[unit!] ?? Number.parseInt(unit!, 10)) * Number(count ?? 1);
}

function u32Bytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
