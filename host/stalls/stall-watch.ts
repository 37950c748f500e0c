import { url as debuggerAddress } from "node:inspector";
import { isMainThread, Worker } from "node:worker_threads";
import { threadArguments, threadEnvironment } from "../../lattice/index.ts";
import { threadEntry } from "../thread-entry.ts";
import {
  beatWord,
  debuggedWord,
  holderWord,
  type Stall,
  stallBeatMs,
  steps,
  type ToKeeper,
  type Watched,
  wordCount,
} from "./messages.ts";

export interface KeeperData {
  readonly words: SharedArrayBuffer;
  /** Whether the thread is the process' main one, into which a debugger's session can look. */
  readonly main: boolean;
}

/**
 * Notices that this thread is held: by a provider that runs in it and never returns, and cannot be ended from
 * outside. A thread beside it tells the log while that lasts, with who has the thread; `onStall` hears of it once it
 * is over. The keeper is there while somebody is watched.
 */
class StallWatch {
  /**
   * Written around every call of a provider, in engines too, where nobody reads it: a load and two stores of a word,
   * not to be seen in a call of 0.12 us (`npm run bench -- --only provider-call`, with and without, in turns).
   */
  readonly words = new Int32Array(new SharedArrayBuffer(4 * wordCount));
  readonly #watched = new Map<number, Watched & { readonly onStall: (stall: Stall) => void }>();
  #keeper: Worker | undefined;
  #beating: NodeJS.Timeout | undefined;
  #last = 0;

  /** Watches over one more; answers its number. */
  watch(watched: Watched, onStall: (stall: Stall) => void): number {
    const number = ++this.#last;
    this.#watched.set(number, { ...watched, onStall });
    this.#keeper ??= this.#start();
    this.#tell({ type: "watch", number, ...watched });
    return number;
  }

  /** May be called twice. */
  forget(number: number): void {
    if (!this.#watched.delete(number)) return;
    this.#tell({ type: "forget", number });
    if (this.#watched.size > 0) return;
    clearInterval(this.#beating);
    void this.#keeper?.terminate();
    this.#keeper = undefined;
  }

  #start(): Worker {
    const { words } = this;
    const workerData: KeeperData = { words: words.buffer, main: isMainThread };
    const keeper = new Worker(threadEntry(import.meta.url, "stall-keeper"), {
      workerData,
      name: "stall-keeper",
      env: threadEnvironment(),
      ...threadArguments(),
    });
    keeper.on("message", (stall: Stall) => this.#watched.get(stall.number)?.onStall(stall));
    // Without a keeper nothing is told; nothing else is lost.
    keeper.on("error", () => {});
    // After the listeners: with one for messages it would keep the process alive again.
    keeper.unref();
    const beat = () => {
      words[debuggedWord] = Number(debuggerAddress() !== undefined);
      Atomics.add(words, beatWord, 1);
    };
    beat();
    this.#beating = setInterval(beat, stallBeatMs).unref();
    return keeper;
  }

  #tell(message: ToKeeper): void {
    this.#keeper?.postMessage(message);
  }
}

/** Of this thread. */
export const stallWatch = new StallWatch();

/** Of this thread, for the path of a call. */
export const stallWords = stallWatch.words;

/** Runs what a provider does in one piece; `mark` is its number times `steps`, plus the step. */
export function holding<T>(mark: number, work: () => T): T {
  const before = stallWords[holderWord]!;
  stallWords[holderWord] = mark;
  try {
    return work();
  } finally {
    stallWords[holderWord] = before;
  }
}

export { holderWord, steps };
