import { randomUUID } from "node:crypto";
import { describe, fail, isLatticeError, type WireError } from "../../lattice/index.ts";

/** Asks for an answer at once with the id of a job to follow; on the lattice and, in any case, on the control socket. */
export const jobHeader = "Lattice-Job";

/** Jobs that are remembered after they ended. */
const mostJobs = 1_000;

export interface Job {
  readonly id: string;
  readonly verb: string;
  readonly state: "running" | "done" | "failed";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly result?: object;
  readonly error?: WireError | { readonly message: string };
}

/** Work that outlives the request that asked for it. Who asked follows it by id. */
export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #watchers = new Map<string, Set<() => void>>();

  /** Begins `work` and answers its id at once. A stream is no job: that one fails. */
  begin(verb: string, work: () => Promise<object | AsyncIterable<object>>): Job {
    const job: Job = { id: randomUUID(), verb, state: "running", startedAt: new Date().toISOString() };
    this.#set(job);
    const once = async () => oneAnswer(verb, await work());
    void once().then(
      (result) => this.#set({ ...job, state: "done", endedAt: new Date().toISOString(), result }),
      (error: unknown) =>
        this.#set({
          ...job,
          state: "failed",
          endedAt: new Date().toISOString(),
          error: isLatticeError(error) ? error.toWire() : { message: describe(error) },
        }),
    );
    return job;
  }

  /** Those that run and the latest of those that ended, in the order of their beginnings. */
  get all(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** @throws LatticeError JOB_ABSENT for an id that is unknown or forgotten. */
  get(id: string): Job {
    const job = this.#jobs.get(id);
    if (!job) throw fail("JOB_ABSENT", id, "this host");
    return job;
  }

  /** The job as it stands at each change, the last time when it has ended. */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<Job> {
    for (;;) {
      const job = this.get(id);
      yield job;
      if (job.state !== "running" || signal.aborted) return;
      await this.#change(id, signal);
      if (signal.aborted) return;
    }
  }

  async #change(id: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(wake));
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
    watchers.delete(wake);
  }

  #set(job: Job): void {
    this.#jobs.set(job.id, job);
    for (const wake of this.#watchers.get(job.id) ?? []) wake();
    if (job.state !== "running") this.#watchers.delete(job.id);
    for (const [id, { state }] of this.#jobs) {
      if (this.#jobs.size <= mostJobs) return;
      if (state !== "running") this.#jobs.delete(id);
    }
  }
}

function oneAnswer(verb: string, answer: object | AsyncIterable<object>): object {
  if (Symbol.asyncIterator in answer) throw fail("REQUEST_INVALID", verb, "what goes on is no job");
  return answer;
}
