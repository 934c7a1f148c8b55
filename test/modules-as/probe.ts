/** The probe module, compiled once per test file. */
import { readFileSync } from "node:fs";
import { compileModule, type CompiledModule } from "../../toolchain/compile/compile.ts";
import { TestGuest, type GuestOptions, type TestMessage } from "./test-guest.ts";

const source = readFileSync(new URL("../fixtures/modules-as/probe.ts", import.meta.url), "utf8");

export class Probe {
  readonly module: CompiledModule;

  private constructor(module: CompiledModule) {
    this.module = module;
  }

  static async compile(): Promise<Probe> {
    return new Probe(await compileModule({ source, name: "probe", version: "1.2.3" }));
  }

  guest(options?: GuestOptions): TestGuest {
    return new TestGuest(this.module.wasm, options);
  }

  /** A message for the input of that name. */
  to(input: string, message: Omit<TestMessage, "input">): TestMessage {
    const port = this.module.manifest.inputs.indexOf(input);
    if (port < 0) throw new Error(`no input ${input}`);
    return { ...message, input: port };
  }

  output(port: number): string {
    return this.module.manifest.outputs[port]!;
  }
}
