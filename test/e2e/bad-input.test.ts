/** What a stranger may hand to a gateway that runs: each is refused in words, and nothing else happens. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  copyArtifact,
  events,
  manifest,
  MODULE,
  startCrank,
  Witness,
  writeManifest,
  type Manifest,
} from "./crank.ts";
import type { RunGateway } from "./run-gateway.ts";

let gateway: RunGateway;
let witness: Witness;

beforeAll(async () => {
  gateway = await startCrank("gw");
  witness = await Witness.call(gateway);
});
afterAll(async () => {
  await witness?.leave();
  await gateway?.[Symbol.asyncDispose]();
});

/** Applies and is refused; what ran goes on. */
async function refused(content: Manifest | string): Promise<string> {
  const { code, out, err } = await gateway.run("apply", await writeManifest(gateway, content));
  expect({ code, out, err }).toEqual({ code: 1, out: "", err: expect.any(String) });
  await witness.seesNothing();
  return err;
}

const bytesOf = (name: string): Buffer => readFileSync(join(gateway.root, name));
const write = (name: string, bytes: string | Buffer): void => writeFileSync(join(gateway.root, name), bytes);
const sign = (key: string): Promise<string> => gateway.does("sign", "--key", key, "bad.wasm");

/** The last byte is inside the module's own manifest: what it says is not looked at before who says it. */
function flipped(bytes: Buffer, at = bytes.length - 1): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

/** The same module, importing another name of the same length. */
function importing(name: string): Buffer {
  const bytes = bytesOf(`${MODULE}.wasm`);
  const at = bytes.indexOf("\x0csandpiper_v1\x03log", 0, "latin1");
  expect(at).toBeGreaterThan(0);
  return Buffer.concat([
    bytes.subarray(0, at + 14),
    Buffer.from(name),
    bytes.subarray(at + 14 + name.length),
  ]);
}

describe("an artifact", () => {
  test.for<[string, () => Promise<unknown>, object, string[]]>([
    [
      "that nobody signed",
      async () => write("bad.wasm", flipped(bytesOf(`${MODULE}.wasm`))),
      {},
      ["bad.wasm", "no signature beside it", "hint: sign it with: sandpiper sign"],
    ],
    [
      "that somebody signed whom the gateway does not trust",
      async () => {
        write("bad.wasm", bytesOf(`${MODULE}.wasm`));
        await gateway.does("keygen", "other.key");
        await sign("other.key");
      },
      {},
      ["which this gateway does not trust", "hint: if the signer is to be trusted here: sandpiper trust add"],
    ],
    [
      "with one bit changed since it was signed",
      async () => {
        await copyArtifact(gateway, "bad");
        write("bad.wasm", flipped(bytesOf("bad.wasm")));
      },
      {},
      ["its signature is over other bytes"],
    ],
    [
      "with one bit changed in its signature",
      async () => {
        await copyArtifact(gateway, "bad");
        const file = JSON.parse(bytesOf("bad.wasm.sig").toString()) as {
          signatures: { signature: string }[];
        };
        const [first] = file.signatures;
        first!.signature = flipped(Buffer.from(first!.signature, "base64"), 0).toString("base64");
        write("bad.wasm.sig", JSON.stringify(file));
      },
      {},
      ['its signature by "release" is not valid', "hint: the artifact or its signature was altered"],
    ],
    [
      "that is not the one the deployment names by its digest",
      () => copyArtifact(gateway, "bad"),
      { digest: `sha256:${"0".repeat(64)}` },
      [`sha256:${"0".repeat(64)}`],
    ],
    [
      "that is no module at all",
      async () => {
        write("bad.wasm", "#!/bin/sh\n");
        await sign("release.key");
      },
      {},
      ["not a wasm binary"],
    ],
    [
      "that imports what no gateway offers",
      async () => {
        write("bad.wasm", importing("pwn"));
        await sign("release.key");
      },
      {},
      ['import "sandpiper_v1.pwn" is unknown to this host'],
    ],
    [
      "that needs a capability which the deployment does not grant",
      () => copyArtifact(gateway, "bad"),
      { createOptions: { sandpiper: { grants: [] } } },
      [
        'needs the capability "log", which is not granted',
        'hint: add "log" to createOptions.sandpiper.grants',
      ],
    ],
    [
      "that may grow beyond the limit",
      () => copyArtifact(gateway, "bad"),
      { createOptions: JSON.stringify({ sandpiper: { memoryBytesMax: 1_048_576 } }) },
      ["may grow to 16777216 bytes, allowed are 1048576", "createOptions.sandpiper.memoryBytesMax"],
    ],
  ])("%s is refused by name", async ([, prepare, settings, words]) => {
    await prepare();
    const said = await refused(manifest({ image: "file:bad.wasm", ...settings }));
    expect(said).toContain('not applied: 500 module "crank": ');
    for (const text of words) expect(said).toContain(text);
    expect(said).toContain("what ran before still runs");
  });

  test("that is refused is told to a program as JSON, with an exit code", async () => {
    const file = await writeManifest(gateway, manifest({ image: "file:nowhere.wasm" }));
    const { code, out } = await gateway.run("apply", file, "--json");
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ code: 500, error: { code: "SP_ARTIFACT_MISSING" } });
  });
});

/** The text of the deployment that runs, with one part of it exchanged. */
function edited(from: string, to: string): string {
  const text = JSON.stringify(manifest(), null, 2);
  expect(text).toContain(from);
  return text.replace(from, to);
}

/** The deployment that runs, with its one module changed. */
function changed(change: (module: Record<string, unknown>) => unknown): string {
  const content = manifest();
  change(content.modulesContent.$edgeAgent["properties.desired"].modules[MODULE]!);
  return JSON.stringify(content);
}

const AGENT = 'modulesContent.$edgeAgent["properties.desired"]';

describe("a deployment", () => {
  test.for<[string, () => string, string[]]>([
    [
      "of a schema that is not known",
      () => edited('"schemaVersion": "1.1"', '"schemaVersion": "2.0"'),
      [`412 deployment: ${AGENT}.schemaVersion: "2.0" is not a version from 1.0 to 1.1`],
    ],
    [
      "whose schema is a number",
      () => edited('"schemaVersion": "1.1"', '"schemaVersion": 1.1'),
      [`412 deployment: ${AGENT}.schemaVersion: must be a string, got 1.1`],
    ],
    ["that is empty", () => "{}", ["417 deployment: empty"]],
    ["with nothing in it", () => '{"modulesContent":{}}', ["417 deployment: modulesContent: empty"]],
    ["that is a list", () => "[1]", ["400 deployment: must be an object, got a list"]],
    [
      "with a module that lacks its status",
      () => changed((module) => delete module["status"]),
      [`400 deployment: ${AGENT}.modules.crank.status: missing`],
    ],
    [
      "with a word where another is wanted",
      () => changed((module) => (module["restartPolicy"] = "often")),
      [`400 deployment: ${AGENT}.modules.crank.restartPolicy: must be one of "never"`, 'got "often"'],
    ],
    [
      "that asks for what a container has",
      () => edited('"sandpiper": {', '"HostConfig": {"Privileged": true}, "sandpiper": {'),
      ['not supported: "HostConfig.Privileged"', "hint: a WebAssembly module has no container"],
    ],
    [
      "with a route that cannot be read",
      () => edited("INTO $upstream", "ONTO $upstream"),
      [
        '400 route "out": route query: ',
        "  FROM /messages/modules/crank/outputs/* ONTO $upstream\n" +
          "                                         ^",
      ],
    ],
    [
      "with a route from a module to itself",
      () => edited('INTO $upstream"', 'INTO BrokeredEndpoint(\\"/modules/crank/inputs/in\\")"'),
      ['400 routes: cycle crank -> crank through "out"', "hint: remove one of these routes"],
    ],
    [
      "that is hidden in the prototype of another",
      () => edited('"schemaVersion": "1.1",', '"__proto__": {"schemaVersion": "1.1"},'),
      [`412 deployment: ${AGENT}.schemaVersion: missing`],
    ],
    [
      "nested beyond reason",
      () => edited('"routes": {', `"routes": {"a": ${'{"a":'.repeat(50)}1${"}".repeat(50)}, `),
      ["400 deployment: nested more than"],
    ],
  ])("%s is refused with its place", async ([, text, words]) => {
    const said = await refused(text());
    for (const word of words) expect(said).toContain(word);
    expect(said).toContain("what ran before still runs");
  });

  test.for<[string, () => string, string]>([
    ["that is not JSON", () => edited('"status": "running"', '"status": running'), "deployment.json:1"],
    ["that ends too early", () => JSON.stringify(manifest()).slice(0, -1), "deployment.json:1:"],
    ["that is another kind of file", () => "\0asm\x01\0\0\0\x1b[2J", "deployment.json:1:1: Unexpected token"],
  ])("%s is refused at its line and column, before it is sent", async ([, text, place]) => {
    const said = await refused(text());
    expect(said).toMatch(/^error: .*\nhint: the file must be JSON/);
    expect(said).toContain(place);
    // eslint-disable-next-line no-control-regex
    expect(said).not.toMatch(/[\0\x1b]/);
  });
});

describe("a name that every object has", () => {
  const SPECIAL = ["constructor", "toString", "__proto__", "hasOwnProperty"];

  test("is one like any other for routes, properties of modules, devices and messages", async () => {
    const content = JSON.stringify(manifest());
    const routes = SPECIAL.map(
      (name) => `"${name}":"FROM /messages/* WHERE ${name === "__proto__" ? "p" : name}='1' INTO $upstream"`,
    );
    const twin = SPECIAL.map((name) => `"${name}":{"polluted":true}`);
    const text = content
      .replace('"routes":{', `"routes":{${routes.join(",")},`)
      .replace(/\}\}$/, `,"crank":{"properties.desired":{${twin.join(",")}}}}}`);
    expect(JSON.parse(text)).toBeTruthy();
    const applied = await gateway.json<{ code: number }>("apply", await writeManifest(gateway, text));
    expect(applied).toMatchObject({ code: 200, warnings: [] });

    for (const name of ["constructor", "toString", "hasOwnProperty"]) {
      await gateway.does("device", "add", name);
      const client = await gateway.connect(name);
      const bag = SPECIAL.map((key) => `${key}=${key === name ? 1 : 0}`).join("&");
      await client.publishAsync(`devices/${name}/messages/events/${bag}`, name, { qos: 1 });
      await client.endAsync();
    }
    const ofDevice = async () =>
      (await events(gateway)).filter(({ moduleId, deviceId }) => moduleId === null && deviceId !== "witness");
    await expect
      .poll(async () => (await ofDevice()).map(({ body }) => body))
      .toEqual(["constructor", "toString", "hasOwnProperty"]);
    const [first] = await ofDevice();
    expect(Object.entries(first!.properties)).toEqual(
      SPECIAL.map((key) => [key, key === "constructor" ? "1" : "0"]),
    );
    expect(await gateway.does("list")).toMatch(/^crank +running/m);
    expect((await gateway.run("restart", "constructor")).err).toContain('module "constructor": ');
  });

  test("is one that a module may have", async () => {
    const names = ["__proto__", "constructor"];
    const [module] = /"crank":(\{.*?\}\}\}\})/.exec(JSON.stringify(manifest()))!.slice(1);
    const text = edited(
      '"crank": {',
      `${names.map((name) => `"${name}": ${module}`).join(", ")}, "crank": {`,
    );
    expect(await gateway.does("apply", await writeManifest(gateway, text))).toBe("applied: 200\n");
    const list = await gateway.json<{ name: string; status: string }[]>("list");
    expect(list.map(({ name, status }) => [name, status])).toEqual(
      [...names, "crank"].toSorted().map((name) => [name, "running"]),
    );
    expect(await gateway.does("logs", "__proto__")).toContain("incarnation 1");
    await gateway.does("apply", await writeManifest(gateway, manifest()));
    expect((await gateway.run("logs", "__proto__")).err).toContain(
      'module "__proto__": not in the deployment',
    );
  });

  test("that no device may have is refused as one", async () => {
    const { code, err } = await gateway.run("device", "add", "__proto__");
    expect(code).toBe(1);
    expect(err).toContain('"__proto__" is not one\nhint: an id has letters');
    expect((await gateway.run("device", "remove", "__proto__")).err).toContain('"__proto__" does not exist');
  });
});
