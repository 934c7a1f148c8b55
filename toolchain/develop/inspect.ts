/** `sandpiper inspect`: what an artifact is and wants, without running it. */
import type { SignatureFile } from "../../abi/index.ts";
import type { Artifact } from "../artifact.ts";
import type { Command } from "../command.ts";
import { onlyPositional } from "./arguments.ts";

export const inspectCommand: Command = {
  name: "inspect",
  group: "develop",
  summary: "show ports, capabilities, limits and signers of an artifact",
  usage: "sandpiper inspect <artifact.wasm>",
  example: "sandpiper inspect build/thermostat.wasm",
  options: {},
  async run({ positionals, json, out }) {
    const file = onlyPositional(positionals, "<artifact.wasm>", this.usage);
    const [{ readArtifact }, { ARTIFACT_BYTES_MAX, readBytes }, { readSignatures }] = await Promise.all([
      import("../artifact.ts"),
      import("../files.ts"),
      import("../signature-file.ts"),
    ]);
    const artifact = await readArtifact(await readBytes(file, ARTIFACT_BYTES_MAX));
    const signatures = await readSignatures(file);
    if (json) {
      const isCurrent = signatures?.digest === artifact.digest;
      out(JSON.stringify({ file, ...artifact, signers: isCurrent ? signersOf(signatures) : [] }));
    } else out(formatArtifact(artifact, signatures));
    return 0;
  },
};

const signersOf = ({ signatures }: SignatureFile): string[] => signatures.map(({ keyId }) => keyId);

function formatArtifact(
  { digest, bytes, manifest, imports }: Artifact,
  signatures: SignatureFile | null,
): string {
  const list = (names: readonly string[]): string => names.join(", ") || "none";
  const rows: [string, string][] = [
    ["module", `${manifest.name} ${manifest.version}`],
    ["digest", digest],
    ["size", `${bytes} bytes`],
    ["abi", `${manifest.abi.major}.${manifest.abi.minor}`],
    ["inputs", list(manifest.inputs)],
    ["outputs", list(manifest.outputs)],
    ["timers", list(manifest.timers.map(({ name, periodMs }) => `${name} (every ${periodMs} ms)`))],
    ["methods", list(manifest.methods ?? [])],
    ["capabilities", list(manifest.capabilities)],
    ["memory", `at most ${manifest.memory.maxBytes} bytes`],
    ["imports", list(imports)],
    ["built with", manifest.builtWith ?? "unknown"],
    ["signed by", formatSigners(digest, signatures)],
  ];
  return rows.map(([title, text]) => `${title.padEnd(13)} ${text}`).join("\n");
}

function formatSigners(digest: string, signatures: SignatureFile | null): string {
  if (signatures === null) return "nobody";
  if (signatures.digest !== digest) return "nobody: the signature beside it is over other bytes";
  return `${signersOf(signatures).join(", ") || "nobody"} (not verified: see sandpiper verify)`;
}
