/** Entry of the process that examines a store for another one: its folder as argument, the report on stdout. */
import { examine } from "./examine.ts";

const report = await examine(process.argv[2]!);
process.stdout.write(JSON.stringify(report));
