import { flushCompileCache, getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/**
 * The environment for a thread of ours, with the compile cache of this thread where it has one. A
 * thread does not inherit it, and to read our modules without it takes 300 ms from source against 70.
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  return folder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(folder) };
}

/** How long after its start a thread has met the code that it needs, in milliseconds. */
const settledMs = 2_000;

/**
 * Writes what this thread has compiled, in a moment: by itself Node does so only at an orderly end. Not for a thread
 * that serves calls: where the disk has much to do it would stand still for a second.
 */
export function keepCompiled(): void {
  setTimeout(flushCompileCache, settledMs).unref();
}
