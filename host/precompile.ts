/** A step of the build, after the compiler: a file of code for each schema, beside what loads it. */
import { writeFileSync } from "node:fs";
import { validatorFile, type SchemaName } from "./schema/validator.ts";
import { SCHEMAS } from "./schemas.ts";
import { validatorText } from "./validator-text.ts";

for (const name of Object.keys(SCHEMAS) as SchemaName[])
  writeFileSync(validatorFile(name), validatorText(name));
