import { cutText } from "./harmless.ts";
import type { ActorLogLine } from "./engine-messages.ts";

export interface LogBatchOptions {
  /** Lines of one placement passed on at once; of more the latest. */
  readonly lines: number;
  /** Characters kept of one line. */
  readonly lineChars: number;
  /** Least time between two batches, in milliseconds. Default 20. */
  readonly everyMs?: number;
  readonly send: (lines: readonly ActorLogLine[]) => void;
}

/**
 * Gathers what the actors of one engine write, so that the supervisor is not flooded: the first line
 * goes with the next turn of the event loop, what comes soon after it goes together. Of an actor
 * that writes faster than that the latest lines are passed on, and how many were not.
 */
export class LogBatch {
  readonly #options: LogBatchOptions;
  readonly #waiting = new Map<string, Waiting>();
  #sentAt = -Infinity;
  #armed = false;

  constructor(options: LogBatchOptions) {
    this.#options = options;
  }

  add(line: ActorLogLine): void {
    const { lines: most, lineChars } = this.#options;
    let waiting = this.#waiting.get(line.placement);
    if (!waiting) this.#waiting.set(line.placement, (waiting = { lines: [], missed: 0 }));
    const text = cutText(line.text, lineChars);
    waiting.lines.push(text === line.text ? line : { ...line, text });
    // Twice as many are held for a moment, so that few lines are moved for each that is dropped.
    if (waiting.lines.length >= 2 * most) waiting.missed += dropOldest(waiting.lines, most);
    if (!this.#armed) this.#arm();
  }

  /** Passes on what waits. */
  flush(): void {
    const all: ActorLogLine[] = [];
    for (const { lines, missed: before } of this.#waiting.values()) {
      const missed = before + dropOldest(lines, this.#options.lines);
      const first = lines[0]!;
      if (missed > 0) {
        const text = `${missed} lines came faster than they could be kept`;
        all.push({ ...first, level: "warn", stream: "host", text });
      }
      for (const line of lines) all.push(line);
    }
    this.#waiting.clear();
    if (all.length > 0) this.#options.send(all);
  }

  #arm(): void {
    this.#armed = true;
    const { everyMs = 20 } = this.#options;
    const go = () => {
      this.#armed = false;
      this.#sentAt = performance.now();
      this.flush();
    };
    const wait = this.#sentAt + everyMs - performance.now();
    if (wait <= 0) setImmediate(go);
    else setTimeout(go, wait);
  }
}

interface Waiting {
  readonly lines: ActorLogLine[];
  missed: number;
}

/** Leaves the last `most` and answers how many went. */
function dropOldest(lines: ActorLogLine[], most: number): number {
  return lines.length > most ? lines.splice(0, lines.length - most).length : 0;
}
