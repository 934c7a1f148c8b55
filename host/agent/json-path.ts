/** Places in a JSON document, for people: `modulesContent.$edgeAgent["properties.desired"].modules.thermo`. */

export type JsonPath = readonly (string | number)[];

const PATH_CHARACTERS_MAX = 400;

export function formatPath(path: JsonPath): string {
  const text = path.map(formatSegment).join("");
  return text.replace(/^\./, "").slice(0, PATH_CHARACTERS_MAX);
}

const formatSegment = (segment: string | number): string => {
  if (typeof segment === "number") return `[${segment}]`;
  return /^[A-Za-z_$][\w$-]*$/.test(segment) ? `.${segment}` : `[${JSON.stringify(segment)}]`;
};

/** An RFC 6901 pointer as a path. */
export const pathOfPointer = (pointer: string): JsonPath =>
  pointer
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((segment) => (/^\d+$/.test(segment) ? Number(segment) : segment));
