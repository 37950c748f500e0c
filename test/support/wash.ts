import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";

/** The real wash of the wasmCloud 0.x years: `WASH`, else the PATH; undefined where there is none. */
export function findWash(): string | undefined {
  const named = process.env.WASH;
  if (named !== undefined && named !== "") return named;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "wash")).find((path) => existsSync(path));
}

/**
 * For a test's `skip`: false when wash is there, else a reason that nobody overlooks. With `CI=true`
 * it is there or the test fails.
 */
export const withoutWash: string | false =
  findWash() !== undefined || process.env.CI === "true"
    ? false
    : "SKIPPED: the real wash was not found; set WASH to its path to check against it";

/** wash in a home of its own, which goes away with it. */
export class Wash implements Disposable {
  readonly home: string = mkdtempSync(join(tmpdir(), "lattice-wash-"));
  readonly #path: string;

  constructor() {
    const path = findWash();
    if (path === undefined) throw new Error("the real wash was not found; set WASH to its path");
    this.#path = path;
    // Its first text output in a fresh home ends with a hint; this takes it away.
    this.run("keys", "gen", "account");
  }

  /** A path in its home. */
  file(name: string): string {
    return join(this.home, name);
  }

  /** Standard output. Throws with standard error when it fails. */
  run(...args: string[]): string {
    return execFileSync(this.#path, args, {
      env: this.#environment(),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Exit code and both outputs. */
  attempt(...args: string[]): { code: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync(this.#path, args, { env: this.#environment(), encoding: "utf8" });
    return { code: status, output: stdout + stderr };
  }

  json(...args: string[]): Record<string, unknown> {
    return JSON.parse(this.run(...args, "-o", "json")) as Record<string, unknown>;
  }

  /** `json` while this process goes on, since the host that wash talks to may live here. */
  async jsonAsync(...args: string[]): Promise<Record<string, unknown>> {
    const options = { env: this.#environment(), encoding: "utf8" as const, timeout: 60_000 };
    const { stdout } = await promisify(execFile)(this.#path, [...args, "-o", "json"], options).catch(
      (error: { stdout?: string; stderr?: string }) => {
        throw new Error(`wash ${args.join(" ")}: ${error.stdout ?? ""} ${error.stderr ?? ""}`);
      },
    );
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  #environment(): Record<string, string> {
    return { HOME: this.home, PATH: process.env.PATH ?? "", WASH_KEYS: this.file("keys") };
  }
}
