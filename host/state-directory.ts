import { createHash } from "node:crypto";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Folder of what survives a restart: `$XDG_STATE_HOME/wasmlattice`, by default under `~/.local/state`.
 * Source: XDG Base Directory Specification; relative values are to be ignored.
 */
export function stateDirectory(environment: Environment = process.env): string {
  const base = environment["XDG_STATE_HOME"];
  return join(base && isAbsolute(base) ? base : join(home(environment), ".local", "state"), "wasmlattice");
}

/**
 * Folder of control sockets: `$XDG_RUNTIME_DIR/wasmlattice`, else `run` in the state directory. It
 * holds one `NAME.sock` for each host of this user and must be of mode 0700.
 */
export function runDirectory(environment: Environment = process.env): string {
  const base = environment["XDG_RUNTIME_DIR"];
  return base && isAbsolute(base) ? join(base, "wasmlattice") : join(stateDirectory(environment), "run");
}

/**
 * Where sockets go when the path of `runDirectory` is too long for a socket address: one folder for
 * each run directory, so that hosts of another environment stay unseen here too. The user's id is
 * part of the name, and whoever uses it checks owner and mode.
 */
export function shortRunDirectory(environment: Environment = process.env): string {
  const which = createHash("sha256").update(runDirectory(environment)).digest("hex").slice(0, 12);
  return join("/tmp", `wasmlattice-${process.getuid?.() ?? "user"}-${which}`);
}

/** A user without a passwd entry, as containers have them, gets a folder of its own under the temporary one. */
function home(environment: Environment): string {
  if (environment["HOME"]) return environment["HOME"];
  try {
    return homedir();
  } catch {
    return join(tmpdir(), `wasmlattice-${process.getuid?.() ?? "user"}`);
  }
}
