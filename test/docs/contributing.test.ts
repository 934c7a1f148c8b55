/** What `CONTRIBUTING.md` tells newcomers to type is there to be typed. */
import { expect, test } from "vitest";
import { readText } from "./source-files.ts";

test("CONTRIBUTING.md explains every npm script, and no other", () => {
  const { scripts } = JSON.parse(readText("package.json")) as { scripts: Record<string, string> };
  const mentioned = readText("CONTRIBUTING.md").matchAll(/\bnpm (?:run ([\w:-]+)|(test|start))\b/g);
  const names = new Set([...mentioned].map((match) => match[1] ?? match[2]!));
  expect([...names].toSorted()).toEqual(Object.keys(scripts).toSorted());
});
