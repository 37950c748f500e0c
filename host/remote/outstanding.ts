import { fail, type LatticeError } from "../../lattice/index.ts";

type Reject = (error: LatticeError) => void;

/** The calls that wait for an answer, by the host that was asked: they fail at once when it is gone. */
export class Outstanding {
  readonly #byHost = new Map<string, Set<Reject>>();

  count(host: string): number {
    return this.#byHost.get(host)?.size ?? 0;
  }

  /** The answer, or HOST_LOST when the host goes first; then what comes later is dropped. */
  wait<T>(host: string, answer: Promise<T>): Promise<T> {
    const waiting = this.#byHost.get(host) ?? new Set<Reject>();
    this.#byHost.set(host, waiting);
    return new Promise<T>((resolve, reject) => {
      waiting.add(reject);
      answer.then(
        (value) => {
          waiting.delete(reject);
          resolve(value);
        },
        (error: unknown) => {
          waiting.delete(reject);
          reject(error);
        },
      );
    });
  }

  lost(host: string, name: string): void {
    const waiting = this.#byHost.get(host);
    this.#byHost.delete(host);
    for (const reject of waiting ?? []) reject(fail("HOST_LOST", name));
  }

  stop(why: () => LatticeError): void {
    for (const waiting of this.#byHost.values()) for (const reject of waiting) reject(why());
    this.#byHost.clear();
  }
}
