import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { describe, fail, type LatticeError } from "../../lattice/index.ts";
import { Guardian } from "../children/guardian.ts";
import { OutputLines } from "../children/output-lines.ts";
import { endText, killGroup } from "../children/process-group.ts";

export interface ProgramHooks {
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
  /** Once, when it ended without having been asked to. */
  readonly onGone: (error: LatticeError) => void;
}

/**
 * A provider program of the 0.x years: a group of its own that the guardian watches, almost no environment, the
 * start line on standard input, which ends then. Source: lattice protocol reference, section 11.1.
 */
export class ProgramRun {
  /** Aborted when the process is gone. */
  readonly ended: AbortSignal;
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #gone: LatticeError | undefined;
  #stopping = false;

  private constructor(name: string, child: ChildProcess, { onLine, onGone }: ProgramHooks) {
    this.#name = name;
    this.#process = child;
    const ended = new AbortController();
    this.ended = ended.signal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    let lastWords = "";
    child.once("exit", (code, signal) => {
      killGroup(child);
      Guardian.shared.release(child.pid ?? 0);
      const how = this.#stopping ? "it has stopped" : `${endText(code, signal)}${lastWords}`;
      this.#gone = fail("PROVIDER_GONE", name, how);
      ended.abort();
      resolve();
      if (!this.#stopping) onGone(this.#gone);
    });
    child.stdin?.on("error", () => {});
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = new OutputLines((line) => {
        if (stream === "stderr") lastWords = `: ${line.slice(0, 500)}`;
        onLine(stream, line);
      });
      (child[stream] as Readable).on("data", (bytes: Buffer) => lines.write(bytes)).on("end", () => lines.flush());
    }
  }

  /** @throws LatticeError PROVIDER_GONE when the system cannot start it, PRECONDITION without a shell to guard it. */
  static async start(name: string, path: string, startLine: string, hooks: ProgramHooks): Promise<ProgramRun> {
    const child = spawn(path, [], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        OTEL_TRACES_EXPORTER: "",
        OTEL_EXPORTER_OTLP_ENDPOINT: "",
        ...(process.env.RUST_LOG === undefined ? {} : { RUST_LOG: process.env.RUST_LOG }),
      },
    });
    const { promise: failed, reject } = Promise.withResolvers<never>();
    failed.catch(() => {});
    child.once("error", (error) => reject(fail("PROVIDER_GONE", name, describe(error))));
    if (child.pid === undefined) return failed;
    const run = new ProgramRun(name, child, hooks);
    try {
      // It does nothing before it is told who it is, so it is watched by then.
      await Promise.race([Guardian.shared.watch(child.pid), failed]);
    } catch (error) {
      killGroup(child);
      throw error;
    }
    child.stdin?.end(startLine);
    return run;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get gone(): LatticeError | undefined {
    return this.#gone;
  }

  /** Resolves when it is gone, at the latest after `ms`. */
  async endsWithin(ms: number): Promise<void> {
    await Promise.race([this.#exited, pause(ms, undefined, { ref: false })]);
  }

  /** Runs `ask`, which asks it to end; whoever has not ended `ms` later is killed. */
  async stop(ask: () => Promise<unknown>, ms: number): Promise<void> {
    this.#stopping = true;
    if (!this.#gone) {
      await ask().catch(() => {});
      await this.endsWithin(ms);
      killGroup(this.#process);
    }
    await this.#exited;
  }

  toString(): string {
    return this.#name;
  }
}
