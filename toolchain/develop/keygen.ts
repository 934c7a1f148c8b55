/** `sandpiper keygen`: a key to sign artifacts with. */
import type { Command } from "../command.ts";
import { onlyPositional } from "./arguments.ts";

export const keygenCommand: Command = {
  name: "keygen",
  group: "develop",
  summary: "make a key pair to sign artifacts with",
  usage: "sandpiper keygen <file>",
  example: "sandpiper keygen release.key\n# writes release.key (keep it secret) and release.key.pub",
  options: {},
  async run({ positionals, json, out }) {
    const file = onlyPositional(positionals, "<file>", this.usage);
    const { createKeyPair } = await import("../key-file.ts");
    const made = await createKeyPair(file);
    out(
      json
        ? JSON.stringify(made)
        : `private key  ${made.privateKeyFile}\npublic key   ${made.publicKeyFile}\nkey id       ${made.keyId}`,
    );
    return 0;
  },
};
