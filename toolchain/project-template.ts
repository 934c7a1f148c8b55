/** A new project from the template that ships with this package. */
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { NAME_BYTES_MAX } from "../abi/index.ts";
import { FileError, UsageError } from "./errors.ts";
import { fileError } from "./files.ts";
import { TEMPLATE_DIR, packageVersion } from "./package-root.ts";

/** npm leaves `.gitignore` out of packages, so the template has it under another name. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: ".gitignore" };

/**
 * Writes the template's files; resolves to their paths in `folder`, which must be empty or absent.
 * @throws {UsageError} for a name that no module can have; {FileError} SP_FILE, SP_FILE_EXISTS
 */
export async function createProject(folder: string, name: string): Promise<string[]> {
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name) || name.length > NAME_BYTES_MAX) {
    throw new UsageError(`name "${name}": not a name`, "use a-z, 0-9, _ and -, or give one with --name");
  }
  try {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0) {
      throw new FileError("SP_FILE_EXISTS", `folder "${folder}": not empty`, {
        hint: "give a folder that is new",
      });
    }
    const files = (await readdir(TEMPLATE_DIR, { recursive: true, withFileTypes: true })).filter((row) =>
      row.isFile(),
    );
    const written = files.map(async (file) => {
      const from = path.join(file.parentPath, file.name);
      const to = path.join(path.relative(TEMPLATE_DIR, file.parentPath), RENAMED[file.name] ?? file.name);
      const text = await readFile(from, "utf8");
      await mkdir(path.dirname(path.join(folder, to)), { recursive: true });
      await writeFile(
        path.join(folder, to),
        text.replaceAll("MODULE_NAME", name).replaceAll("SANDPIPER_VERSION", packageVersion()),
        { flag: "wx" },
      );
      return to;
    });
    return (await Promise.all(written)).sort();
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw fileError(folder, cause);
  }
}
