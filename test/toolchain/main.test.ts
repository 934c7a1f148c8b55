import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SandpiperError } from "../../abi/index.ts";
import type { Command, Context } from "../../toolchain/command.ts";
import { COMMANDS, type CommandTable } from "../../toolchain/commands.ts";
import { CompileError, UsageError } from "../../toolchain/errors.ts";
import { main } from "../../toolchain/main.ts";
import { packageVersion } from "../../toolchain/package-root.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(argv: readonly string[], table: CommandTable = COMMANDS, env = {}): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = {
    env,
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
  };
  const code = await main(argv, terminal, table);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

/** A table with one command (and a family of two words) that does what the test says. */
function tableOf(act: (context: Context) => Promise<number>): CommandTable {
  const command = (name: string): Command => ({
    name,
    group: "operate",
    summary: `${name} things`,
    usage: `sandpiper ${name} [--size=<n>] <thing>`,
    example: `sandpiper ${name} it`,
    options: { size: { type: "string", short: "s", description: "how large" }, force: { type: "boolean" } },
    run: act,
  });
  return { lift: async () => command("lift"), "queue list": async () => command("queue list") };
}

describe("help", () => {
  test("lists every command of the table with its summary", async () => {
    const { code, out } = await run(["--help"]);
    expect(code).toBe(0);
    for (const load of Object.values(COMMANDS)) {
      const { name, summary } = await load();
      expect(out).toMatch(new RegExp(`^  ${name} +${summary.replaceAll(/[^\w ]/g, ".")}$`, "m"));
    }
  });

  test("is what one gets for nothing, as a mistake", async () => {
    expect(await run([])).toMatchObject({
      code: 2,
      out: expect.stringContaining("usage: sandpiper <command>"),
    });
  });

  test.for(Object.keys(COMMANDS))(
    "of %s shows usage, options and an example, and runs nothing",
    async (name) => {
      const command = await COMMANDS[name]!();
      const { code, out } = await run([...name.split(" "), "--help"]);
      expect(code).toBe(0);
      expect(out).toContain(`usage: ${command.usage}`);
      for (const [option, { description }] of Object.entries(command.options)) {
        expect(out).toContain(`--${option}`);
        expect(description).toBeTruthy();
      }
      expect(out).toContain("--json");
      expect(command.example).toContain(`sandpiper ${name}`);
      expect(command.usage).toMatch(new RegExp(`^sandpiper ${name}\\b`));
    },
  );

  test("of a command is also to be had by asking for help first", async () => {
    const table = tableOf(async () => 0);
    for (const name of Object.keys(table)) {
      const words = name.split(" ");
      expect(await run(["help", ...words], table)).toEqual(await run([...words, "--help"], table));
    }
    expect((await run(["help", "nobody"], table)).code).toBe(2);
  });

  test("of a family lists its members", async () => {
    const table = tableOf(async () => 0);
    expect(await run(["queue", "--help"], table)).toMatchObject({
      code: 0,
      out: expect.stringContaining("queue list"),
    });
    expect((await run(["queue"], table)).code).toBe(2);
  });

  const cli = fileURLToPath(new URL("../../dist/toolchain/cli.js", import.meta.url));
  test.runIf(existsSync(cli))("loads the command alone: no compiler, no hub, no host", () => {
    // V8 lists every script that a process has loaded when it is asked for coverage.
    const dir = mkdtempSync(join(tmpdir(), "sandpiper-loaded-"));
    try {
      execFileSync(process.execPath, [cli, "--help"], { env: { ...process.env, NODE_V8_COVERAGE: dir } });
      const files = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
      const loaded = files.flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result);
      const own = loaded.map(({ url }) => url).filter((url) => url.startsWith("file:"));
      expect(own.filter((url) => url.includes("/dist/toolchain/")).length).toBeGreaterThan(2);
      expect(own.filter((url) => /\/node_modules\/|\/dist\/(?:hub|host)\//.test(url))).toEqual([]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("goes with --version", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, out: packageVersion(), err: "" });
  });
});

describe("a command", () => {
  test("is given its options and arguments, and says how it went by its exit code", async () => {
    const seen: Context[] = [];
    const table = tableOf(async (context) => {
      seen.push(context);
      return 1;
    });
    const { code } = await run(["queue", "list", "--json", "-s", "5", "thing"], table, { HOME: "/h" });
    expect(code).toBe(1);
    expect(seen[0]).toMatchObject({
      values: { size: "5" },
      positionals: ["thing"],
      json: true,
      env: { HOME: "/h" },
    });
    expect(Object.keys(seen[0]!.values)).toEqual(["size"]);
  });

  test.for([
    [["frobnicate"], 'error: command "frobnicate": unknown'],
    [["__proto__"], 'error: command "__proto__": unknown'],
    [["queue", "eat"], 'error: command "queue eat": unknown'],
    [["lift", "--frob"], "error: option --frob: unknown"],
    [["lift", "--size"], "error: option --size: its value is missing"],
    [["lift", "-s", "-1"], "error: option -s: its value is missing, or begins with a dash"],
    [["lift", "--force=1"], "error: option --force: takes no value"],
    [["--size", "1", "lift"], "error: option --size: stands before the command"],
  ] as const)("that was not meant ends with 2, a reason and the usage: %j", async ([argv, message]) => {
    const { code, out, err } = await run(
      argv,
      tableOf(async () => 0),
    );
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
    expect(err).toMatch(/^hint: /m);
  });
});

describe("a hint", () => {
  test.for([
    [["queues"], 'did you mean "queue list"? sandpiper --help lists the commands'],
    [["lif"], 'did you mean "lift"? '],
    [["queue", "eat"], "sandpiper queue --help lists its commands"],
  ] as const)("leads from what was typed to what there is: %j", async ([argv, hint]) => {
    const { err } = await run(
      argv,
      tableOf(async () => 0),
    );
    expect(err).toContain(`hint: ${hint}`);
  });

  test("guesses nothing where nothing is near", async () => {
    const { err } = await run([""]);
    expect(err).toBe('error: command "": unknown\nhint: sandpiper --help lists the commands');
  });
});

describe("an error", () => {
  const failing = (error: Error): CommandTable =>
    tableOf(async () => {
      throw error;
    });
  const diagnostics = [
    { severity: "error", file: "a.ts", line: 3, column: 7, message: "x is y", hint: "make it z" },
    { severity: "error", file: "", line: 1, column: 1, message: "no file" },
  ] as const;

  test("is printed as what, where and what next, without a stack", async () => {
    const { code, err } = await run(
      ["lift"],
      failing(new CompileError("SP_COMPILE", "it broke", { diagnostics, hint: "mend it" })),
    );
    expect(code).toBe(1);
    expect(err).toBe("error: it broke\n  a.ts:3:7: x is y\n    make it z\n  no file\nhint: mend it");
  });

  test("is one JSON value for who asked for JSON", async () => {
    const error = new SandpiperError("SP_X", "it broke", { hint: "mend it", details: { place: "here" } });
    const { err, out } = await run(["lift", "--json"], failing(error));
    expect(out).toBe("");
    expect(JSON.parse(err)).toEqual({
      error: { code: "SP_X", message: "it broke", hint: "mend it", details: { place: "here" } },
    });
  });

  test("cannot steer a terminal with what it quotes", async () => {
    const error = new SandpiperError("SP_X", "file \u001b[2J: broke\nerror: not", { hint: "\u202e" });
    const { err } = await run(["lift"], failing(error));
    expect(err).toBe("error: file \\u{1b}[2J: broke\\nerror: not\nhint: \\u{202e}");
  });

  test("shows its stack, and that of its cause, to who debugs", async () => {
    const error = new SandpiperError("SP_X", "it broke", { cause: new Error("deeper") });
    const { err } = await run(["lift"], failing(error), { SANDPIPER_DEBUG: "1" });
    expect(err).toContain("main.test.ts");
    expect(err).toContain("Error: deeper");
  });

  test("that is a bug is called one", async () => {
    const { code, err } = await run(["lift"], failing(new TypeError("x is undefined")));
    expect(code).toBe(1);
    expect(err).toBe(
      "error: internal: x is undefined\nhint: this is a bug; SANDPIPER_DEBUG=1 shows where it happened",
    );
  });

  test("of usage ends with 2", async () => {
    expect((await run(["lift"], failing(new UsageError("wrong")))).code).toBe(2);
  });
});
