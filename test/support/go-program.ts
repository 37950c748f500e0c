import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../programs/go", import.meta.url));

/** The Go toolchain: `GO`, else the PATH, else where its installer puts it. */
function findGo(): string | undefined {
  const named = process.env.GO;
  if (named !== undefined && named !== "") return named;
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/go/bin"];
  return folders.map((folder) => join(folder, "go")).find((path) => existsSync(path));
}

/**
 * For a test's `skip`. Also skipped where CI is true: Go is a compiler that fetches its modules, and the same
 * protocol is spoken by `archive-program.mjs` everywhere.
 */
export const withoutGo: string | false =
  findGo() !== undefined || existsSync(builtFile()) ? false : "SKIPPED: no Go 1.21 or newer; put it on PATH or into GO";

/** Path of the static provider program in test/programs/go; built once for each state of its source. */
export function goProgram(): string {
  const built = builtFile();
  if (existsSync(built)) return built;
  mkdirSync(join(built, ".."), { recursive: true });
  const fresh = `${built}.${process.pid}`;
  const run = spawnSync(findGo() ?? "go", ["build", "-trimpath", "-ldflags=-s -w", "-o", fresh, "."], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: "0" },
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`go build: ${run.stderr}`);
  renameSync(fresh, built);
  return built;
}

function builtFile(): string {
  const sum = createHash("sha256");
  for (const name of readdirSync(source).toSorted()) sum.update(readFileSync(join(source, name)));
  return join(tmpdir(), "lattice-test-cache", `notes-${sum.digest("hex").slice(0, 16)}`);
}
