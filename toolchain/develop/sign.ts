/**
 * `sandpiper sign`: put a signature beside an artifact. The key comes from a file and never from a flag or the
 * environment, which leak into process listings and build logs.
 */
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { onlyPositional, stringOption } from "./arguments.ts";

export const signCommand: Command = {
  name: "sign",
  group: "develop",
  summary: "sign an artifact, beside the signatures of others",
  usage: "sandpiper sign --key=<file> <artifact.wasm>",
  example: "sandpiper sign --key=release.key build/thermostat.wasm",
  options: { key: { type: "string", short: "k", description: "private key file, mode 0600" } },
  async run({ values, positionals, json, out }) {
    const artifact = onlyPositional(positionals, "<artifact.wasm>", this.usage);
    const keyFile = stringOption(values, "key");
    if (keyFile === undefined) throw new UsageError("option --key: missing", `usage: ${this.usage}`);
    const [{ readPrivateKey }, { signArtifact }] = await Promise.all([
      import("../key-file.ts"),
      import("../signature-file.ts"),
    ]);
    const signed = await signArtifact(artifact, await readPrivateKey(keyFile));
    if (json) out(JSON.stringify(signed));
    else {
      out(`signed  ${signed.digest}\nkey id  ${signed.keyId}\nfile    ${signed.signatureFile}`);
      if (signed.replaced) out("note    earlier signatures were over other bytes, and are gone");
      if (signed.signers.length > 1) out(`signers ${signed.signers.length}`);
    }
    return 0;
  },
};
