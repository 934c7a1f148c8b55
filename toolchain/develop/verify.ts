/** `sandpiper verify`: would these keys accept this artifact? */
import path from "node:path";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import type { NamedKey } from "../signature-file.ts";
import { onlyPositional, stringOption } from "./arguments.ts";

export const verifyCommand: Command = {
  name: "verify",
  group: "develop",
  summary: "check the signature of an artifact, as a gateway does",
  usage: "sandpiper verify (--key=<file.pub> | --trust=<trust.json>) <artifact.wasm>",
  example: "sandpiper verify --key=release.key.pub build/thermostat.wasm",
  options: {
    key: { type: "string", short: "k", description: "public key file" },
    trust: { type: "string", description: "the trust file of a gateway" },
  },
  async run({ values, positionals, json, out }) {
    const artifact = onlyPositional(positionals, "<artifact.wasm>", this.usage);
    const [key, trust] = [stringOption(values, "key"), stringOption(values, "trust")];
    if ((key === undefined) === (trust === undefined)) {
      throw new UsageError("options --key and --trust: give one of them", `usage: ${this.usage}`);
    }
    const { verifyArtifact } = await import("../signature-file.ts");
    const verified = await verifyArtifact(artifact, await keysOf(key, trust));
    if (json) out(JSON.stringify({ artifact, ...verified }));
    else out(`verified   ${verified.digest}\nsigned by  ${verified.signedBy.join(", ")}`);
    return 0;
  },
};

async function keysOf(key: string | undefined, trust: string | undefined): Promise<NamedKey[]> {
  if (trust !== undefined) return (await import("../trust-file.ts")).readTrustFile(trust);
  const file = key!;
  const { readPublicKey } = await import("../key-file.ts");
  return [{ name: path.basename(file), key: await readPublicKey(file) }];
}
