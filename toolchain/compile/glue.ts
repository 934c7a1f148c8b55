/**
 * The one file that a build adds to a module: it joins the SDK's loop with the handlers, and is the only
 * entry, so that nothing an author exports becomes an export of the artifact.
 */
import { FEATURE, RECORD } from "../../abi/index.ts";
import { SDK_PACKAGE, type Handler, type ScannedModule } from "./scan.ts";

export const GLUE_PATH = "sandpiper.glue.ts";

export function glueOf({ handlers, outputs, features }: ScannedModule): string {
  const of = (wanted: Handler["kind"]): Handler[] => handlers.filter(({ kind }) => kind === wanted);
  const names = new Map(handlers.map((handler, index) => [handler, `handler${index}`]));
  const imports = handlers.map((handler) => {
    const path = handler.source.normalizedPath.replace(/\.ts$/, "");
    return `import { ${handler.functionName} as ${names.get(handler)} } from ${JSON.stringify(`./${path}`)};`;
  });
  const cases = (rows: readonly Handler[], call: string): string =>
    rows.map((row, port) => `    case ${port}: ${names.get(row)}(${call}); break;\n`).join("");
  const twin = features.has("twin") ? FEATURE.TWIN : 0;
  const invoke = features.has("invoke") ? FEATURE.INVOKE : 0;
  const methods = of("method").length > 0 ? FEATURE.METHODS : 0;
  const replies = of("reply").map(({ port }) => port);
  const calls = of("method").map(
    (row) => `  if (name == ${JSON.stringify(row.port)}) return ${names.get(row)}(request);\n`,
  );
  const [desired] = of("desired");
  const onDesired =
    desired === undefined ? "changeConfig(entry)" : `${names.get(desired)}(changeConfig(entry))`;
  const control = [
    ...(methods ? [`    case ${RECORD.METHOD}: answerMethod(entry, onMethod); return true;\n`] : []),
    ...(twin ? [`    case ${RECORD.DESIRED}: ${onDesired}; return true;\n`] : []),
    ...(invoke ? [`    case ${RECORD.REPLY}: takeReply(entry, onReply); return true;\n`] : []),
  ];

  return `import { InvokeReply, Message, MethodReply, MethodRequest } from "${SDK_PACKAGE}/guest";
import { answerMethod, changeConfig, initialize, serve, takeReply } from "${SDK_PACKAGE}/guest";
import { noSuchInput, noSuchMethod, noSuchReply, noSuchTimer } from "${SDK_PACKAGE}/guest";
${imports.join("\n")}
export { sp_abi_v1, sp_mailbox } from "${SDK_PACKAGE}/guest";
export function sp_init(at: usize, length: i32): i32 {
  return initialize(at, ${JSON.stringify(outputs)}, ${twin | invoke | methods}, ${JSON.stringify(replies)});
}
export function sp_batch(at: usize, length: i32): usize {
  return serve(at, onMessage, onTimer, onControl);
}
function onMessage(input: u32, message: Message): void {
  switch (input) {
${cases(of("input"), "message")}    default: noSuchInput(input);
  }
}
function onTimer(timer: u32): void {
  switch (timer) {
${cases(of("every"), "")}    default: noSuchTimer(timer);
  }
}
function onControl(kind: u32, entry: usize): bool {
  switch (kind) {
${control.join("")}    default: return false;
  }
}
function onMethod(name: string, request: MethodRequest): MethodReply {
${calls.join("")}  return noSuchMethod();
}
function onReply(handler: u32, reply: InvokeReply): void {
  switch (handler) {
${cases(of("reply"), "reply")}    default: noSuchReply(handler);
  }
}
`;
}
