/**
 * Reads a module's ports out of its syntax tree: handlers from their decorators, outputs from the calls that
 * name them, and which features it uses. Pure: it looks, and the transform acts.
 *
 * Output names must be literals, because the manifest inside the signed bytes lists them: what a module may
 * say is known before it runs.
 */
import { METHOD_NAME_BYTES_MAX, NAME_BYTES_MAX, PORTS_MAX } from "../../abi/index.ts";
import type { Diagnostic } from "../errors.ts";
import type { Asc, AscNode, AscRange, AscSource } from "./asc.ts";

export const SDK_PACKAGE = "@sandpiper/module";

export interface Handler {
  readonly kind: "input" | "every" | keyof typeof SERVICES;
  /** Name of the input, the timer, the method; tag of the replies. */
  readonly port: string;
  readonly periodMs: number;
  readonly functionName: string;
  readonly source: AscSource;
}

export interface ScannedModule {
  readonly handlers: readonly Handler[];
  readonly outputs: readonly string[];
  /** What of the SDK it uses that needs a capability and no import of the host's. */
  readonly features: ReadonlySet<FeatureName>;
  readonly diagnostics: readonly Diagnostic[];
}

type FeatureName = "twin" | "invoke";
const FEATURE_NAMES: readonly string[] = ["twin", "invoke"] satisfies FeatureName[];
const isFeatureName = (name: string): name is FeatureName => FEATURE_NAMES.includes(name);

/** Handlers of features: their one parameter and what they return, types of the SDK but for `void`. */
const SERVICES = {
  method: { takes: "MethodRequest", returns: "MethodReply", feature: null, named: "a method" },
  reply: { takes: "InvokeReply", returns: "void", feature: "invoke", named: "a tag" },
  desired: { takes: "Json", returns: "void", feature: "twin", named: null },
} as const;
const isService = (kind: string): kind is keyof typeof SERVICES => Object.hasOwn(SERVICES, kind);

// The nodes that are looked at, by the fields that are read.
interface Named {
  readonly name: { readonly text: string };
}
interface Literal extends AscNode {
  readonly value?: unknown;
}
interface Call extends AscNode {
  readonly expression: AscNode;
  readonly args: readonly Literal[];
}
interface Decorator extends AscNode {
  readonly name: { readonly text?: string };
  readonly args: readonly Literal[] | null;
}
export interface FunctionNode extends AscNode, Named {
  decorators: readonly Decorator[] | null;
  flags: number;
  readonly typeParameters: readonly unknown[] | null;
  readonly signature: {
    readonly parameters: readonly { readonly type: AscNode }[];
    readonly returnType: AscNode;
  };
}
interface Import extends AscNode {
  readonly path: { readonly value: string };
  readonly namespaceName: { readonly text: string } | null;
  readonly declarations: readonly (Named & { readonly foreignName: { readonly text: string } })[] | null;
}

const EMITTERS = new Set(["emit", "emitText", "emitJson"]);
const MESSAGE_SENDERS = new Set(["forward", "copyTo"]);
const HANDLER_DECORATORS = new Set(["input", "every", ...Object.keys(SERVICES)]);
/** Which argument of `invoke` is the tag of the reply. */
const INVOKE_TAG = 4;
const PERIOD_MS_MAX = 2_147_483_647;
const NAME = /^[A-Za-z0-9_-]+$/;

export const isHandlerDecorator = (decorator: { readonly name: { readonly text?: string } }): boolean =>
  HANDLER_DECORATORS.has(decorator.name.text ?? "");

export function scanModule(sources: readonly AscSource[], kinds: Asc["NodeKind"]): ScannedModule {
  const scan = new Scan(kinds);
  for (const source of sources) scan.declarations(source);
  for (const source of sources) scan.source(source);
  scan.invocations();
  if (scan.handlers.length === 0 && scan.diagnostics.length === 0) {
    scan.diagnostics.push({
      severity: "error",
      file: sources[0]?.normalizedPath ?? "",
      line: 1,
      column: 1,
      message: "module has no handler",
      hint: 'mark a function with @input("name") or @every(milliseconds)',
    });
  }
  const { handlers, outputs, features, diagnostics } = scan;
  return { handlers, outputs: [...outputs], features, diagnostics };
}

class Scan {
  readonly handlers: Handler[] = [];
  readonly outputs = new Set<string>();
  readonly features = new Set<FeatureName>();
  readonly diagnostics: Diagnostic[] = [];
  readonly #kinds: Asc["NodeKind"];
  /** Methods that the module declares itself: a call of `x.forward(y)` may then be one of those. */
  readonly #ownMethods = new Set<string>();
  readonly #tags: Literal[] = [];

  constructor(kinds: Asc["NodeKind"]) {
    this.#kinds = kinds;
  }

  declarations(source: AscSource): void {
    walk(source, (node) => {
      if (node.kind === this.#kinds["MethodDeclaration"])
        this.#ownMethods.add((node as FunctionNode).name.text);
    });
  }

  source(source: AscSource): void {
    const names = this.#importedNames(source);
    walk(source, (node) => {
      if (node.kind === this.#kinds["Call"]) this.#call(node as Call, names);
      if (node.kind === this.#kinds["PropertyAccess"]) this.#namespaced(node, names);
      const { decorators } = node as Partial<FunctionNode>;
      for (const decorator of decorators ?? []) {
        if (isHandlerDecorator(decorator)) this.#handler(source, node as FunctionNode, decorator, names);
      }
    });
  }

  /** Local name -> name in the SDK, and `namespace.` -> "". */
  #importedNames(source: AscSource): Map<string, string> {
    const names = new Map<string, string>();
    for (const statement of source.statements) {
      if (statement.kind !== this.#kinds["Import"]) continue;
      const { path, namespaceName, declarations } = statement as Import;
      if (path.value !== SDK_PACKAGE) continue;
      if (namespaceName) names.set(`${namespaceName.text}.`, "");
      for (const { name, foreignName } of declarations ?? []) {
        names.set(name.text, foreignName.text);
        if (isFeatureName(foreignName.text)) this.features.add(foreignName.text);
      }
    }
    return names;
  }

  /** A use of the SDK through `import * as`. */
  #namespaced(access: AscNode, names: ReadonlyMap<string, string>): void {
    const { callee, isMethod } = this.#callee(access, names);
    if (!isMethod && isFeatureName(callee)) this.features.add(callee);
  }

  /** Every tag has a handler, which may stand in any file. */
  invocations(): void {
    const tags = this.handlers.filter(({ kind }) => kind === "reply").map(({ port }) => port);
    for (const tag of this.#tags) {
      if (tag.kind !== this.#kinds["Literal"] || typeof tag.value !== "string") {
        this.#fault(tag.range, `invoke: the tag "${textOf(tag.range)}" is not a literal`);
      } else if (!tags.includes(tag.value)) {
        this.#fault(tag.range, `invoke: nobody takes replies with the tag "${tag.value}"`, {
          hint: `mark a function with @reply("${tag.value}"): it takes an InvokeReply`,
        });
      }
    }
  }

  #call(call: Call, names: ReadonlyMap<string, string>): void {
    const { callee, isMethod } = this.#callee(call.expression, names);
    if (!isMethod && callee === "invoke" && call.args[INVOKE_TAG] !== undefined)
      this.#tags.push(call.args[INVOKE_TAG]);
    if (isMethod ? !MESSAGE_SENDERS.has(callee) : !EMITTERS.has(callee)) return;
    const output = call.args[0];
    if (output === undefined) return; // The compiler says what is missing.
    if (output.kind !== this.#kinds["Literal"] || typeof output.value !== "string") {
      if (isMethod && (names.size === 0 || this.#ownMethods.has(callee))) return;
      this.#fault(output.range, `${callee}: the output "${textOf(output.range)}" is not a literal`, {
        hint: 'write the name where it is used, as in emit("alerts", body): the manifest must list every output',
      });
      return;
    }
    if (!this.#isName(output.value, "output", output.range) || this.outputs.has(output.value)) return;
    this.outputs.add(output.value);
    if (this.outputs.size > PORTS_MAX) this.#fault(output.range, `more than ${PORTS_MAX} outputs`);
  }

  #callee(
    expression: AscNode,
    names: ReadonlyMap<string, string>,
  ): { readonly callee: string; readonly isMethod: boolean } {
    const text = textOf(expression.range);
    if (expression.kind === this.#kinds["Identifier"])
      return { callee: names.get(text) ?? "", isMethod: false };
    if (expression.kind !== this.#kinds["PropertyAccess"]) return { callee: "", isMethod: false };
    const { expression: object, property } = expression as AscNode & {
      readonly expression: AscNode;
      readonly property: { readonly text: string };
    };
    const isNamespace = names.has(`${textOf(object.range)}.`);
    return { callee: property.text, isMethod: !isNamespace };
  }

  #handler(
    source: AscSource,
    node: FunctionNode,
    decorator: Decorator,
    names: ReadonlyMap<string, string>,
  ): void {
    const kind = decorator.name.text as Handler["kind"];
    const isFunction = source.statements.includes(node) && node.kind === this.#kinds["FunctionDeclaration"];
    if (!isFunction || node.typeParameters?.length) {
      this.#fault(decorator.range, `@${kind} belongs on a function at the top of a file`);
      return;
    }
    if (kind === "input") this.#input(source, node, decorator, names);
    else if (isService(kind)) this.#service(kind, source, node, decorator, names);
    else this.#every(source, node, decorator);
  }

  #input(
    source: AscSource,
    node: FunctionNode,
    decorator: Decorator,
    names: ReadonlyMap<string, string>,
  ): void {
    const functionName = node.name.text;
    const port = decorator.args?.[0]?.value;
    if (decorator.args?.length !== 1 || typeof port !== "string") {
      this.#fault(decorator.range, "@input takes the name of the input", { hint: '@input("temperature")' });
      return;
    }
    const types = node.signature.parameters.map(({ type }) => textOf(type.range));
    if (types.length !== 1 || !isSdkType(types[0]!, "Message", names)) {
      this.#fault(decorator.range, `input "${port}": "${functionName}" does not take a message`, {
        hint: `declare it as ${functionName}(message: Message): void, with Message from "${SDK_PACKAGE}"`,
      });
      return;
    }
    if (!this.#isName(port, "input", decorator.range)) return;
    this.#add({ kind: "input", port, periodMs: 0, functionName, source }, decorator.range);
  }

  #service(
    kind: keyof typeof SERVICES,
    source: AscSource,
    node: FunctionNode,
    decorator: Decorator,
    names: ReadonlyMap<string, string>,
  ): void {
    const { takes, returns, feature, named } = SERVICES[kind];
    const functionName = node.name.text;
    const [name] = decorator.args ?? [];
    const isNamed = decorator.args?.length === 1 && typeof name?.value === "string";
    if (named === null ? (decorator.args?.length ?? 0) > 0 : !isNamed) {
      const what = named === null ? "takes no arguments" : `takes the name of ${named}`;
      return this.#fault(decorator.range, `@${kind} ${what}`, {
        hint: named === null ? `@${kind}` : `@${kind}("reset")`,
      });
    }
    const { parameters, returnType } = node.signature;
    const types = parameters.map(({ type }) => textOf(type.range));
    const given = textOf(returnType.range);
    const isReturned = returns === "void" ? given === returns : isSdkType(given, returns, names);
    if (types.length !== 1 || !isSdkType(types[0]!, takes, names) || !isReturned) {
      const sdk = returns === "void" ? takes : `${takes} and ${returns}`;
      return this.#fault(decorator.range, `@${kind}: "${functionName}" is not (${takes}) => ${returns}`, {
        hint: `declare it as ${functionName}(${PARAMETER[kind]}: ${takes}): ${returns}, with ${sdk} from "${SDK_PACKAGE}"`,
      });
    }
    const port = named === null ? kind : String(name?.value);
    const charsMax = kind === "method" ? METHOD_NAME_BYTES_MAX : NAME_BYTES_MAX;
    if (!this.#isName(port, kind, decorator.range, charsMax)) return;
    if (feature !== null) this.features.add(feature);
    this.#add({ kind, port, periodMs: 0, functionName, source }, decorator.range);
  }

  #every(source: AscSource, node: FunctionNode, decorator: Decorator): void {
    const functionName = node.name.text;
    const period = decorator.args?.[0];
    const text = period === undefined ? "" : textOf(period.range).replaceAll("_", "");
    const periodMs = Number(text);
    if (decorator.args?.length !== 1 || !/^\d+$/.test(text) || periodMs < 1 || periodMs > PERIOD_MS_MAX) {
      this.#fault(decorator.range, "@every takes whole milliseconds as a literal", { hint: "@every(1000)" });
      return;
    }
    if (node.signature.parameters.length > 0) {
      this.#fault(decorator.range, `timer "${functionName}" takes parameters`, {
        hint: `declare it as ${functionName}(): void`,
      });
      return;
    }
    if (!this.#isName(functionName, "timer", decorator.range)) return;
    this.#add({ kind: "every", port: functionName, periodMs, functionName, source }, decorator.range);
  }

  #add(handler: Handler, range: AscRange): void {
    const what = WHAT[handler.kind];
    const others = this.handlers.filter(({ kind }) => kind === handler.kind);
    if (others.some(({ port }) => port === handler.port)) {
      this.#fault(range, `${what} "${handler.port}" has two handlers`);
    } else if (others.length >= PORTS_MAX) {
      this.#fault(range, `more than ${PORTS_MAX} ${what}s`);
    } else {
      this.handlers.push(handler);
    }
  }

  #isName(name: string, what: string, range: AscRange, charsMax = NAME_BYTES_MAX): boolean {
    if (NAME.test(name) && name.length <= charsMax) return true;
    this.#fault(range, `${what} "${name}": not a name`, {
      hint: `use 1 to ${charsMax} letters, digits, _ and -`,
    });
    return false;
  }

  #fault(range: AscRange, message: string, { hint }: { hint?: string } = {}): void {
    const place = { ...positionOf(range.source.text, range.start), file: range.source.normalizedPath };
    const fault: Diagnostic = { severity: "error", ...place, message };
    this.diagnostics.push(hint === undefined ? fault : { ...fault, hint });
  }
}

/** What a handler is for, in diagnostics. */
const WHAT = { input: "input", every: "timer", method: "method", reply: "reply", desired: "change" } as const;
/** What a handler's parameter is called in hints. */
const PARAMETER = { method: "request", reply: "reply", desired: "patch" } as const;

/** Whether a type, as it is written, is this one of the SDK. */
function isSdkType(written: string, name: string, names: ReadonlyMap<string, string>): boolean {
  return (
    names.get(written) === name || (written.endsWith(`.${name}`) && names.has(written.slice(0, -name.length)))
  );
}

const textOf = ({ source, start, end }: AscRange): string => source.text.slice(start, end);

/** Line and column of a UTF-16 offset, both from 1. */
export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/**
 * Visits a node and all below it, in the order of the source. The compiler's tree has no visitor of its own:
 * children are whatever fields hold nodes.
 */
function walk(root: AscNode, visit: (node: AscNode) => void): void {
  const seen = new Set<unknown>();
  const enter = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    if (Array.isArray(value)) {
      for (const item of value) enter(item);
      return;
    }
    if (!isNode(value)) return;
    seen.add(value);
    visit(value);
    for (const [field, child] of Object.entries(value)) if (field !== "range") enter(child);
  };
  enter(root);
}

const isNode = (value: object): value is AscNode =>
  typeof (value as Partial<AscNode>).kind === "number" && (value as Partial<AscNode>).range !== undefined;
