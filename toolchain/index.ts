/**
 * The toolchain's face: what other parts of the product may ask of it. Importing it loads no compiler; that
 * comes with the first call.
 */
export { readArtifact, type Artifact } from "./artifact.ts";
export { EXIT, type Command, type Context } from "./command.ts";
export { COMMANDS, type CommandTable } from "./commands.ts";
export { compileModule, type CompileOptions, type CompiledModule } from "./compile/compile.ts";
export { STOCK_MODULES, stockModuleDir, type StockModule } from "./stock.ts";
export * from "./errors.ts";
export { createKeyPair, readPrivateKey, readPublicKey, type KeyPairFiles } from "./key-file.ts";
export { main, type Terminal } from "./main.ts";
export { signArtifact, signaturePath, verifyArtifact, type NamedKey, type Signed } from "./signature-file.ts";
