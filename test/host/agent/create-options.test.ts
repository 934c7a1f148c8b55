import { expect, test } from "vitest";
import { decodeCreateOptions, SANDBOX_DEFAULTS } from "../../../host/agent/create-options.ts";
import { DeploymentError } from "../../../host/agent/errors.ts";

const decode = (settings: Record<string, unknown>) =>
  decodeCreateOptions({ image: "file:a", ...settings }, []);
function refusal(settings: Record<string, unknown>): DeploymentError {
  try {
    decode(settings);
  } catch (error) {
    expect(error).toBeInstanceOf(DeploymentError);
    return error as DeploymentError;
  }
  throw new Error("accepted");
}

test.for([
  {},
  { createOptions: "" },
  { createOptions: " " },
  { createOptions: "{}" },
  { createOptions: "null" },
])("%j means the defaults", (settings) => {
  expect(decode(settings)).toEqual({ text: "{}", sandbox: SANDBOX_DEFAULTS });
});

test("sandbox options are taken from the key sandpiper, as text or as an object", () => {
  const options = { sandpiper: { memoryBytesMax: 65_536, grants: ["log"] } };
  const expected = {
    text: JSON.stringify(options),
    sandbox: { ...SANDBOX_DEFAULTS, memoryBytesMax: 65_536, grants: ["log"] },
  };
  expect(decode({ createOptions: JSON.stringify(options) })).toEqual(expected);
  expect(decode({ createOptions: options })).toEqual(expected);
});

test("continuation chunks are joined in the order of their numbers, whatever their order and case", () => {
  const text = JSON.stringify({ sandpiper: { recordDeadlineMs: 250 } });
  const cut = (i: number) => text.slice(i * 10, i === 11 ? undefined : (i + 1) * 10);
  const chunks = Array.from({ length: 12 }, (_, i) => [
    `createOptions${i === 0 ? "" : String(i).padStart(2, "0")}`,
    cut(i),
  ]);
  expect(decode(Object.fromEntries(chunks.toReversed())).sandbox.recordDeadlineMs).toBe(250);
  expect(
    decode({ CreateOptions: text.slice(0, 5), createoptions01: text.slice(5) }).sandbox.recordDeadlineMs,
  ).toBe(250);
});

test.for<[string, Record<string, unknown>, string]>([
  ["a gap", { createOptions: "{", createOptions02: "}" }, "createOptions02"],
  ["no first chunk", { createOptions01: "{}" }, "createOptions01"],
  ["a suffix of one digit", { createOptions: "{", createOptions1: "}" }, "createOptions1"],
  ["a suffix of letters", { createOptions: "{", createOptionsXX: "}" }, "createOptionsXX"],
  ["a chunk that is no text", { createOptions: "{", createOptions01: 1 }, "createOptions01"],
  ["what is not JSON", { createOptions: "{" }, "createOptions"],
  ["what is no object", { createOptions: "[]" }, "createOptions"],
  ["a number", { createOptions: 1 }, "createOptions"],
  [
    "an unknown sandbox option",
    { createOptions: '{"sandpiper":{"memory":1}}' },
    "createOptions.sandpiper.memory",
  ],
  [
    "too much memory",
    { createOptions: '{"sandpiper":{"memoryBytesMax":1e12}}' },
    "createOptions.sandpiper.memoryBytesMax",
  ],
  [
    "a grant that does not exist",
    { createOptions: '{"sandpiper":{"grants":["root"]}}' },
    "createOptions.sandpiper.grants[0]",
  ],
])("%s is refused with its place", ([, settings, path]) => {
  expect(refusal(settings)).toMatchObject({ status: 400, path });
});

test("Docker's options are refused by name, all of them at once", () => {
  const options = {
    HostConfig: { Privileged: true, PortBindings: { "80/tcp": [] }, Binds: ["/:/host"] },
    Env: ["A=1"],
    NetworkingConfig: {},
    sandpiper: {},
  };
  expect(refusal({ createOptions: JSON.stringify(options) }).message).toBe(
    'deployment: createOptions: not supported: "HostConfig.Privileged", "HostConfig.PortBindings", ' +
      '"HostConfig.Binds", "Env", "NetworkingConfig"',
  );
});

test("__proto__ among the options is refused by name and changes nothing", () => {
  expect(refusal({ createOptions: '{"__proto__":{"memoryBytesMax":1}}' }).message).toContain(
    '"__proto__.memoryBytesMax"',
  );
  expect(refusal({ createOptions: '{"sandpiper":{"__proto__":{"memoryBytesMax":1}}}' }).path).toBe(
    "createOptions.sandpiper.__proto__",
  );
});
