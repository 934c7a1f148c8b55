import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ABI_MAJOR,
  MANIFEST_SECTION,
  decodeSignatureFile,
  digestOf,
  keyId,
  type ModuleManifest,
} from "../../abi/index.ts";
import { compileModule } from "../../toolchain/compile/compile.ts";
import { COMMANDS } from "../../toolchain/commands.ts";
import { readPublicKey } from "../../toolchain/key-file.ts";
import { main } from "../../toolchain/main.ts";
import { appendCustomSection, withoutCustomSection } from "../../toolchain/wasm-sections.ts";
import { TestGuest } from "../modules-as/test-guest.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sandpiper-develop-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function sandpiper(...argv: readonly string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await main(
    argv,
    { env: {}, out: (text) => void out.push(text), err: (text) => void err.push(text) },
    COMMANDS,
  );
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const done = async (...argv: readonly string[]): Promise<string> => {
  const { code, out, err } = await sandpiper(...argv);
  expect({ argv, code, err }).toEqual({ argv, code: 0, err: "" });
  return out;
};
const failed = async (...argv: readonly string[]): Promise<string> => {
  const { code, out, err } = await sandpiper(...argv);
  expect({ argv, code, out }).toEqual({ argv, code: 1, out: "" });
  return err;
};

let wasm: Uint8Array;
let manifest: ModuleManifest;
/** A fresh copy of a small artifact. */
function artifact(name: string, bytes: Uint8Array = wasm): string {
  writeFileSync(at(name), bytes);
  return at(name);
}

beforeAll(async () => {
  const source = `import { Message, log } from "@sandpiper/module";
    @input("in") function a(m: Message): void { log.info("x"); m.forward("out"); }
    @every(250) function tick(): void {}`;
  ({ wasm, manifest } = await compileModule({ source, name: "small", release: false }));
  await done("keygen", at("first.key"));
  await done("keygen", at("second.key"));
}, 60_000);

describe("new and build", () => {
  test("make a module that runs, with its source map beside it", async () => {
    const project = at("thermostat");
    expect(JSON.parse(await done("new", project, "--json"))).toMatchObject({ name: "thermostat" });
    expect(readFileSync(path.join(project, ".gitignore"), "utf8")).toContain("build/");
    expect(readFileSync(path.join(project, "package.json"), "utf8")).not.toMatch(
      /MODULE_NAME|SANDPIPER_VERSION/,
    );

    const built = JSON.parse(await done("build", project, "--json")) as { file: string; digest: string };
    expect(built.file).toBe(path.join(project, "build", "thermostat.wasm"));
    const bytes = readFileSync(built.file);
    expect(digestOf(bytes)).toBe(built.digest);
    expect(JSON.parse(readFileSync(`${built.file}.map`, "utf8"))).toMatchObject({ version: 3 });

    const effects = new TestGuest(bytes).run([{ body: '{"celsius":39}' }, { body: '{"celsius":41}' }]);
    expect(effects).toMatchObject([{ cause: 1, text: '{"celsius":41}', properties: { level: "high" } }]);
  });

  test("refuse a folder that holds something, and a name that no module can have", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/file"), "");
    expect(await failed("new", at("full"))).toContain("not empty");
    expect(await sandpiper("new", at("Bad Name"))).toMatchObject({ code: 2 });
    expect(existsSync(at("Bad Name"))).toBe(false);
    await done("new", at("Other Folder"), "--name=fine");
  });

  test("report a fault at its place from here, and leave the last artifact as it was", async () => {
    const project = at("faulty");
    await done("new", project);
    const file = at("faulty.wasm");
    await done("build", project, `--out=${file}`, "--debug");
    const before = readFileSync(file);
    appendFileSync(path.join(project, "assembly/index.ts"), "\nlet x: i32 = ;\n");
    const err = await failed("build", project, `--out=${file}`);
    expect(err).toMatch(/^error: module does not compile$/m);
    expect(err).toContain(`${path.join(project, "assembly/index.ts")}:13:14: expression expected`);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test("say when the signature beside an artifact no longer fits", async () => {
    const project = at("signed");
    await done("new", project);
    const file = at("signed.wasm");
    await done("build", project, "--debug", `--out=${file}`);
    await done("sign", `--key=${at("first.key")}`, file);
    appendFileSync(
      path.join(project, "assembly/index.ts"),
      '@input("more") function more(m: Message): void {}\n',
    );
    const { code, err } = await sandpiper("build", project, "--debug", `--out=${file}`);
    expect(code).toBe(0);
    expect(err).toContain("is over other bytes; sign again");
  });
});

describe("keygen", () => {
  test("makes a private key that its owner alone can read, and names it by its public half", async () => {
    expect(statSync(at("first.key")).mode & 0o777).toBe(0o600);
    const made = JSON.parse(await done("keygen", at("third.key"), "--json")) as { keyId: string };
    expect(made.keyId).toBe(keyId(await readPublicKey(at("third.key.pub"))));
    expect(JSON.stringify(made)).not.toContain("PRIVATE");
  });

  test("overwrites neither half, and leaves no half alone", async () => {
    const before = readFileSync(at("first.key"), "utf8");
    expect(await failed("keygen", at("first.key"))).toContain("exists already");
    expect(readFileSync(at("first.key"), "utf8")).toBe(before);
    writeFileSync(at("lone.key"), "precious");
    await failed("keygen", at("lone.key"));
    expect(readFileSync(at("lone.key"), "utf8")).toBe("precious");
    expect(existsSync(at("lone.key.pub"))).toBe(false);
    expect(await failed("keygen", at("absent/x.key"))).toContain("its folder does not exist");
  });
});

describe("sign and verify", () => {
  test("agree on an artifact, whichever of its signers is asked for", async () => {
    const file = artifact("two.wasm");
    await done("sign", `--key=${at("first.key")}`, file);
    const signed = JSON.parse(await done("sign", "--key", at("second.key"), file, "--json")) as {
      signers: string[];
    };
    expect(signed.signers).toHaveLength(2);
    for (const name of ["first.key.pub", "second.key.pub"]) {
      const verified = JSON.parse(await done("verify", `--key=${at(name)}`, file, "--json")) as object;
      expect(verified).toMatchObject({ digest: digestOf(wasm), signedBy: [name] });
    }
  });

  test("know no signature by another key, over other bytes, or none at all", async () => {
    const file = artifact("one.wasm");
    expect(await failed("verify", `--key=${at("first.key.pub")}`, file)).toContain("not signed");
    await done("sign", `--key=${at("first.key")}`, file);
    expect(await failed("verify", `--key=${at("second.key.pub")}`, file)).toContain(
      "signed by none of the given keys",
    );
    artifact(
      "one.wasm",
      Buffer.concat([wasm, appendCustomSection(new Uint8Array(0), "x", Buffer.from("y"))]),
    );
    expect(await failed("verify", `--key=${at("first.key.pub")}`, file)).toContain("over other bytes");
  });

  test.for(["signature", "digest", "keyId"])("notice a %s that was altered", async (field) => {
    const file = artifact(`altered-${field}.wasm`);
    await done("sign", `--key=${at("first.key")}`, file);
    const text = readFileSync(`${file}.sig`, "utf8");
    const value = new RegExp(`"${field}": "([^"]+)"`).exec(text)![1]!;
    const flipped = value.replace(/[0-9a-f](?=[^0-9a-f]*$)/, (digit) => (digit === "0" ? "1" : "0"));
    writeFileSync(`${file}.sig`, text.replace(value, flipped));
    await failed("verify", `--key=${at("first.key.pub")}`, file);
  });

  test("begin anew when the artifact was built again, and say so", async () => {
    const file = artifact("again.wasm");
    await done("sign", `--key=${at("first.key")}`, file);
    artifact("again.wasm", appendCustomSection(wasm, "x", Buffer.from("y")));
    expect(await done("sign", `--key=${at("second.key")}`, file)).toContain(
      "earlier signatures were over other bytes",
    );
    expect(decodeSignatureFile(readFileSync(`${file}.sig`, "utf8")).signatures).toHaveLength(1);
    await done("sign", `--key=${at("second.key")}`, file);
    expect(decodeSignatureFile(readFileSync(`${file}.sig`, "utf8")).signatures).toHaveLength(1);
  });

  test("use no private key that others can read", async () => {
    await done("keygen", at("open.key"));
    chmodSync(at("open.key"), 0o640);
    const err = await failed("sign", `--key=${at("open.key")}`, artifact("open.wasm"));
    expect(err).toContain("mode 0640 is open to others");
    expect(err).toContain("hint: chmod 600");
    expect(existsSync(at("open.wasm.sig"))).toBe(false);
  });

  test("take Ed25519 keys in PEM and nothing else", async () => {
    const file = artifact("odd.wasm");
    writeFileSync(at("text.key"), "hello", { mode: 0o600 });
    expect(await failed("sign", `--key=${at("text.key")}`, file)).toContain("not a private key in PEM");
    expect(await failed("sign", `--key=${at("first.key.pub")}`, file)).toContain("open to others");
    expect(await failed("verify", `--key=${at("first.key")}`, file)).toContain("not a public key in PEM");
    execFileSync("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at("ec.key")], {
      stdio: "ignore",
    });
    chmodSync(at("ec.key"), 0o600);
    expect(await failed("sign", `--key=${at("ec.key")}`, file)).toContain("ec, expected ed25519");
    expect(await failed("sign", `--key=${at("absent.key")}`, file)).toContain("absent.key");
  });

  test("read the trust file of a gateway", async () => {
    const file = artifact("trusted.wasm");
    await done("sign", `--key=${at("second.key")}`, file);
    const keys = ["first", "second"].map((name) => ({
      name,
      publicKey: readFileSync(at(`${name}.key.pub`), "utf8"),
    }));
    const trust = (value: unknown): string => {
      writeFileSync(at("trust.json"), JSON.stringify(value));
      return `--trust=${at("trust.json")}`;
    };
    const policy = { version: 1, policy: "require-signature", keys };
    expect(await done("verify", trust(policy), file)).toContain("signed by  second");
    expect(await failed("verify", trust({ ...policy, keys: keys.slice(0, 1) }), file)).toContain(
      "none of the given keys",
    );
    expect(await failed("verify", trust({ ...policy, keys: [] }), file)).toContain("none of the given keys");
    expect(await failed("verify", trust({ ...policy, policy: "none" }), file)).toContain("not of version 1");
    expect(await failed("verify", trust({ ...policy, keys: [{ name: "x" }] }), file)).toContain("keys[0]");
    expect(await sandpiper("verify", file)).toMatchObject({ code: 2 });
  });

  test("refuse a signature file that is none", async () => {
    const file = artifact("garbage.wasm");
    writeFileSync(`${file}.sig`, "{}");
    expect(await failed("verify", `--key=${at("first.key.pub")}`, file)).toContain("signature file: version");
  });
});

describe("inspect", () => {
  test("shows what an artifact is, wants, and who signed it", async () => {
    const file = artifact("shown.wasm");
    const text = await done("inspect", file);
    for (const row of [
      /^module +small 0.0.0$/m,
      /^inputs +in$/m,
      /^outputs +out$/m,
      /^signed by +nobody$/m,
    ]) {
      expect(text).toMatch(row);
    }
    expect(text).toMatch(/^timers +tick \(every 250 ms\)$/m);
    expect(text).toMatch(/^capabilities +log$/m);
    expect(text).toMatch(/^memory +at most 16777216 bytes$/m);
    await done("sign", `--key=${at("first.key")}`, file);
    const shown = JSON.parse(await done("inspect", file, "--json")) as object;
    const signer = keyId(await readPublicKey(at("first.key.pub")));
    expect(shown).toMatchObject({ digest: digestOf(wasm), bytes: wasm.length, manifest, signers: [signer] });
    artifact("shown.wasm", appendCustomSection(wasm, "x", Buffer.from("y")));
    expect(await done("inspect", file)).toContain("signature beside it is over other bytes");
  });

  const withManifest = (text: string): Uint8Array =>
    appendCustomSection(withoutCustomSection(wasm, MANIFEST_SECTION), MANIFEST_SECTION, Buffer.from(text));
  const changed = (change: object): Uint8Array => withManifest(JSON.stringify({ ...manifest, ...change }));

  test.for([
    ["text", () => Buffer.from("hello"), "not a WebAssembly module"],
    ["nothing", () => Buffer.alloc(0), "not a WebAssembly module"],
    ["half a module", () => wasm.subarray(0, wasm.length / 2), "not a WebAssembly module"],
    [
      "a module without exports",
      () => Buffer.from("0061736d01000000", "hex"),
      'does not export the memory "memory"',
    ],
    [
      "a module without a manifest",
      () => withoutCustomSection(wasm, MANIFEST_SECTION),
      'has 0 sections "sandpiper.manifest"',
    ],
    ["two manifests", () => appendCustomSection(wasm, MANIFEST_SECTION, Buffer.from("{}")), "has 2 sections"],
    ["a manifest that is not JSON", () => withManifest("{"), "its manifest is not JSON"],
    [
      "a manifest that is too large",
      () => withManifest(`"${"x".repeat(70_000)}"`),
      "its manifest is larger than 64 KB",
    ],
    ["a malformed manifest", () => changed({ inputs: ["a/b"] }), "its manifest is malformed: /inputs/0"],
    ["an unknown field", () => changed({ surprise: 1 }), "its manifest is malformed"],
    ["another ABI", () => changed({ abi: { major: ABI_MAJOR + 1, minor: 0 } }), "built for ABI 2.0"],
    [
      "a capability that is not declared",
      () => changed({ capabilities: [] }),
      'uses "log" and its manifest does not say so',
    ],
    [
      "more memory than is declared",
      () => changed({ memory: { maxBytes: 65536 } }),
      "its memory may grow to 16777216",
    ],
  ] as const)("refuses %s", async ([name, bytes, message]) => {
    expect(await failed("inspect", artifact(`${name.replaceAll(" ", "-")}.wasm`, bytes()))).toContain(
      message,
    );
  });

  test("says when there is no such file", async () => {
    expect(await failed("inspect", at("absent.wasm"))).toContain("not found");
    expect(await failed("inspect", folder)).toContain("a folder, not a file");
  });
});
