/**
 * Who asked and waits, without a promise: told how it ended, one of the two and once. A promise for each
 * step of a call between hosts cost as much as the rest of what the step does. It is told on the stack
 * of whoever ends the call, so it must not throw.
 */
export interface Asker<T> {
  readonly answered: (answer: T) => void;
  readonly failed: (error: unknown) => void;
}

/** What asks as a promise; a throw is its rejection. */
export function promised<T>(ask: (asker: Asker<T>) => void): Promise<T> {
  return new Promise((answered, failed) => ask({ answered, failed }));
}

/** Tells the outcome of a promise. */
export function tell<T>(outcome: Promise<T>, asker: Asker<T>): void {
  outcome.then(
    (answer) => asker.answered(answer),
    (error: unknown) => asker.failed(error),
  );
}
