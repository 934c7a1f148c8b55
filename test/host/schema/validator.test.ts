import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadValidator, validatorFile, type SchemaName } from "../../../host/schema/validator.ts";
import { SCHEMAS } from "../../../host/schemas.ts";
import { validatorText } from "../../../host/validator-text.ts";

const NAMES = Object.keys(SCHEMAS) as SchemaName[];

test.for(NAMES)("the build's validator of %s is that of its schema as it is now", (name) => {
  expect(readFileSync(validatorFile(name), "utf8"), "npm run build").toBe(validatorText(name));
});

test("a validator judges, says where a document is wrong and quotes it", () => {
  const validate = loadValidator<object>("sandbox-options");
  expect(validate({ grants: ["log"] })).toBe(true);
  expect(validate({ grants: ["log", "log"] })).toBe(false);
  expect(validate({ recordDeadlineMs: 0 })).toBe(false);
  expect(validate.errors).toMatchObject([{ instancePath: "/recordDeadlineMs", keyword: "minimum", data: 0 }]);
});

test("a key that only a prototype has is not there", () => {
  const inherited: object = Object.create({ recordDeadlineMs: "soon" });
  expect(loadValidator("sandbox-options")(inherited)).toBe(true);
});
