import { expect, test } from "vitest";
import { parseReference } from "../../../host/artifacts/reference.ts";

const HEX = "ab".repeat(32);

test.for<[string, string, string | null]>([
  ["file:thermo.wasm", "thermo.wasm", null],
  ["file:./a b/thermo.wasm", "./a b/thermo.wasm", null],
  ["file:../thermo.wasm", "../thermo.wasm", null],
  ["file:/srv/thermo.wasm", "/srv/thermo.wasm", null],
  ["file:///srv/a%20b.wasm", "/srv/a b.wasm", null],
  [`file:thermo.wasm#sha256=${HEX}`, "thermo.wasm", `sha256:${HEX}`],
  [`file:thermo.wasm#sha256=${HEX.toUpperCase()}`, "thermo.wasm", `sha256:${HEX}`],
  [`file:a#b.wasm#sha256=${HEX}`, "a#b.wasm", `sha256:${HEX}`],
])("%s is the file %s with the digest %s", ([image, path, digest]) => {
  expect(parseReference(image)).toEqual({ kind: "file", path, digest });
});

test.for<[string, RegExp]>([
  ["", /empty/],
  ["file:", /no path/],
  ["file://host/thermo.wasm", /three slashes/],
  ["file:thermo.wasm#sha256=abc", /64 hex/],
  ["file:thermo.wasm#md5=abc", /64 hex/],
  ["file:a\u0000b", /zero byte/],
  ["https://example.com/t.wasm#sha256=" + HEX, /downloads are not yet supported/],
  ["example.com/thermo:1.0", /registries are not yet supported/],
  ["thermo", /registries are not yet supported/],
  ["$upstream:443/thermo:1.0", /parent's registry is not yet supported/],
  ["/srv/thermo.wasm", /needs file: in front/],
  ["./thermo.wasm", /needs file: in front/],
  ["x".repeat(5000), /longer than/],
])("%j is refused, and the refusal says why", ([image, why]) => {
  expect(() => parseReference(image)).toThrow(
    expect.objectContaining({ code: "SP_ARTIFACT_REFERENCE", message: expect.stringMatching(why) as string }),
  );
});
