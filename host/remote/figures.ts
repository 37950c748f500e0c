/** Forms in which calls cross hosts. */
export type CallForm = "session" | "wasmcloud";

/** How long a call may take, in whole milliseconds. */
export interface CallTime {
  /** When it was sent, in `performance.now()`. */
  readonly begunAt: number;
  readonly form: CallForm;
  /** What the other host is told. */
  readonly budgetMs: number;
  /** Longest wait here. */
  readonly timeoutMs: number;
}

/** What one engine has sent to other hosts and answered to them, since it began. */
export interface RemoteFigures {
  /** Calls sent, by form. */
  readonly sent: Readonly<Record<CallForm, number>>;
  /** Of those the ones that failed, whatever the reason. */
  readonly failed: Readonly<Record<CallForm, number>>;
  /** Time from sending them to their answers or failures, in milliseconds, by form. */
  readonly ms: Readonly<Record<CallForm, number>>;
  /** Calls of other hosts that were verified and asked of this one, by form. */
  readonly served: Readonly<Record<CallForm, number>>;
  /** Messages that were no call, or not one of ours: by error code. */
  readonly refused: Readonly<Record<string, number>>;
}

/** The same while it counts. */
export class RemoteCounts implements RemoteFigures {
  readonly sent = { session: 0, wasmcloud: 0 };
  readonly failed = { session: 0, wasmcloud: 0 };
  readonly ms = { session: 0, wasmcloud: 0 };
  readonly served = { session: 0, wasmcloud: 0 };
  readonly refused: Record<string, number> = {};

  /** A call that was sent is settled. */
  settle({ form, begunAt }: CallTime): void {
    this.ms[form] += performance.now() - begunAt;
  }

  refuse(code: string): void {
    this.refused[code] = (this.refused[code] ?? 0) + 1;
  }
}
