/**
 * The one file that a build adds to a module: it joins the SDK's loop with the handlers, and is the only
 * entry, so that nothing an author exports becomes an export of the artifact.
 */
import { SDK_PACKAGE, type Handler } from "./scan.ts";

export const GLUE_PATH = "sandpiper.glue.ts";

export function glueOf(handlers: readonly Handler[], outputs: readonly string[]): string {
  const inputs = handlers.filter(({ kind }) => kind === "input");
  const timers = handlers.filter(({ kind }) => kind === "every");
  const names = new Map<Handler, string>();
  const imports = handlers.map((handler, index) => {
    names.set(handler, `handler${index}`);
    const path = handler.source.normalizedPath.replace(/\.ts$/, "");
    return `import { ${handler.functionName} as handler${index} } from ${JSON.stringify(`./${path}`)};`;
  });
  const cases = (rows: readonly Handler[], call: string): string =>
    rows.map((row, port) => `    case ${port}: ${names.get(row)}(${call}); break;\n`).join("");

  return `import { Message, initialize, noSuchInput, noSuchTimer, serve } from "${SDK_PACKAGE}/guest";
${imports.join("\n")}
export { sp_abi_v1, sp_mailbox } from "${SDK_PACKAGE}/guest";
export function sp_init(at: usize, length: i32): i32 {
  return initialize(at, ${JSON.stringify(outputs)});
}
export function sp_batch(at: usize, length: i32): usize {
  return serve(at, onMessage, onTimer);
}
function onMessage(input: u32, message: Message): void {
  switch (input) {
${cases(inputs, "message")}    default: noSuchInput(input);
  }
}
function onTimer(timer: u32): void {
  switch (timer) {
${cases(timers, "")}    default: noSuchTimer(timer);
  }
}
`;
}
