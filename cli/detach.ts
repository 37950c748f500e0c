import { spawn } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, fromWire, isLatticeError, describe, failFrom, type WireError } from "../lattice/index.ts";

/** What a detached host tells the command that started it: ready with what runs, or why not. */
export type FirstWord =
  | { readonly ready: Readonly<Record<string, unknown>>; readonly id: string }
  | { readonly failed: WireError };

const marker = "WASMLATTICE_DETACHED";

/** True in the process that `startDetached` started. */
export function isDetached(): boolean {
  return process.env[marker] !== undefined && process.send !== undefined;
}

/** From the detached process: says its first word and lets go of the one that started it. */
export function tellStarter(word: FirstWord): Promise<void> {
  if (!process.connected) return Promise.resolve();
  return new Promise((resolve) => {
    process.send?.(word, undefined, {}, () => {
      process.disconnect?.();
      resolve();
    });
  });
}

/** Why it could not start, for `tellStarter`. */
export function asFirstWord(error: unknown): FirstWord {
  const known = isLatticeError(error)
    ? error
    : failFrom(error, "PRECONDITION", `the host could not start: ${describe(error)}`);
  return { failed: known.toWire() };
}

export interface Detached {
  readonly pid: number;
  readonly log: string;
  readonly word: Extract<FirstWord, { ready: unknown }>;
}

/**
 * Runs this same command line as a process of its own that outlives us; its output goes to a log
 * file. Resolves when it is ready.
 * @throws LatticeError what kept it from starting, or PRECONDITION with the end of its log.
 */
export async function startDetached(argv: readonly string[], stateFolder: string): Promise<Detached> {
  const folder = join(stateFolder, "logs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = join(folder, `host-${new Date().toISOString().replaceAll(/[:.]/g, "-")}-${process.pid}.log`);
  const file = openSync(log, "a", 0o600);
  const child = spawn(process.execPath, [...process.execArgv, launcher(), ...argv], {
    detached: true,
    stdio: ["ignore", file, file, "ipc"],
    env: { ...process.env, [marker]: "1" },
  });
  closeSync(file);
  const word = await new Promise<FirstWord>((resolve, reject) => {
    child.once("message", (message) => resolve(message as FirstWord));
    child.once("error", (error) =>
      reject(failFrom(error, "PRECONDITION", `cannot start a process: ${describe(error)}`)),
    );
    child.once("exit", (code) => {
      reject(
        fail("PRECONDITION", `the host ended with ${code} before it was ready: ${lastLines(log)} (all of it: ${log})`),
      );
    });
  });
  child.removeAllListeners();
  if (child.connected) child.disconnect();
  child.unref();
  if ("failed" in word) throw fromWire(word.failed);
  return { pid: child.pid ?? 0, log, word };
}

function launcher(): string {
  const fromSource = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(fromSource ? "lattice.mjs" : "../../cli/lattice.mjs", import.meta.url));
}

function lastLines(log: string): string {
  return readFileSync(log, "utf8").trim().split("\n").slice(-5).join(" | ");
}
