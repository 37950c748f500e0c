import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * What a child process may reach beside its own code. Nothing else: no further process, thread, native code or
 * debugger. Node follows symbolic links out of a folder that is allowed.
 */
export interface ChildPermissions {
  /** Files and folders (with all that is in them) it may read, beside its module's folder and the packages it can import. */
  readonly read?: readonly string[];
  /** Files and folders it may read and write. */
  readonly write?: readonly string[];
  /** Whether it may open connections and listen. Default false. */
  readonly network?: boolean;
}

/** What is declared, and what concerns the code itself. */
export interface ChildReach extends ChildPermissions {
  /**
   * The module is one file: it may not read what lies around it, and imports only Node's modules and this package,
   * which it finds wherever it lies. Default false.
   */
  readonly alone?: boolean;
  /** Whether it may start threads, which may reach what it may. For our own. */
  readonly threads?: boolean;
}

/**
 * The flags of Node for a child that runs `module`.
 * Source: Node.js documentation, "Permissions": flags not given are denied once `--permission` is.
 */
export function permissionFlags(
  module: string,
  { read = [], write = [], network = false, alone = false, threads = false }: ChildReach,
): string[] {
  const code = alone ? [module] : [dirname(module), ...packagesAbove(module)];
  const readable = new Set([...ownCode(), ...code, ...read, ...write].flatMap(bothPaths));
  return [
    "--permission",
    // Of the flags here themselves, at each start.
    "--disable-warning=ExperimentalWarning",
    ...[...readable].map((path) => `--allow-fs-read=${path}`),
    ...[...new Set(write.flatMap(bothPaths))].map((path) => `--allow-fs-write=${path}`),
    ...(network ? ["--allow-net"] : []),
    // Who may start a thread may give it other flags; it is our own code that may.
    ...(threads ? ["--allow-worker", "--disable-warning=SecurityWarning"] : []),
  ];
}

/** The code of this package, and where it finds what it needs. */
function ownCode(): readonly string[] {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const parts = ["index.ts", "index.js", "lattice", "actors", "capabilities", "host"].map((name) => join(root, name));
  return [...parts.filter((path) => existsSync(path)), ...packagesAbove(join(root, "x"))];
}

/** Folders in which Node looks for packages that `file` imports, and the manifests that it reads on the way. */
function packagesAbove(file: string): readonly string[] {
  const found: string[] = [];
  for (let folder = dirname(resolve(file)); ; folder = dirname(folder)) {
    for (const name of ["node_modules", "package.json"]) {
      const path = join(folder, name);
      if (existsSync(path)) found.push(path);
    }
    if (dirname(folder) === folder) return found;
  }
}

/** As written and as it really is: Node asks for either. What is not there yet is taken as written. */
function bothPaths(path: string): readonly string[] {
  const absolute = resolve(path);
  return existsSync(absolute) ? [absolute, realpathSync(absolute)] : [absolute];
}
