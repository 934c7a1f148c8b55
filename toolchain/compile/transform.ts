/**
 * What happens between parsing and compiling: handlers lose their decorators and are exported to the glue, the
 * glue becomes the one entry, and the ports are noted for the manifest.
 *
 * The author's files are never spliced into: their statements stay as they were, so that every position in a
 * diagnostic or a stack is a position in the author's file.
 */
import type { Asc, AscParser, AscSource } from "./asc.ts";
import { GLUE_PATH, glueOf } from "./glue.ts";
import { isHandlerDecorator, scanModule, type FunctionNode, type ScannedModule } from "./scan.ts";

const SOURCE_KIND = { USER: 0, USER_ENTRY: 1 } as const;

export class SandpiperTransform {
  /** Null until the sources were parsed without an error. */
  scanned: ScannedModule | null = null;
  readonly #asc: Asc;

  constructor(asc: Asc) {
    this.#asc = asc;
  }

  afterParse(parser: AscParser): void {
    const own = parser.sources.filter(isOwn);
    const scanned = scanModule(own, this.#asc.NodeKind);
    this.scanned = scanned;
    if (scanned.diagnostics.length > 0) return;
    for (const source of own) this.#release(source);
    parser.parseFile(glueOf(scanned), GLUE_PATH, true);
  }

  #release(source: AscSource): void {
    source.sourceKind = SOURCE_KIND.USER;
    for (const statement of source.statements as readonly FunctionNode[]) {
      if (!statement.decorators?.some(isHandlerDecorator)) continue;
      const others = statement.decorators.filter((decorator) => !isHandlerDecorator(decorator));
      statement.decorators = others.length > 0 ? others : null;
      statement.flags |= this.#asc.CommonFlags["Export"]!;
    }
  }
}

/** The compiler counts its runtime among the entries, and a library's files among the user's. */
const isOwn = ({ sourceKind, normalizedPath }: AscSource): boolean =>
  (sourceKind === SOURCE_KIND.USER || sourceKind === SOURCE_KIND.USER_ENTRY) &&
  !normalizedPath.startsWith("~lib/");
