import { randomUUID } from "node:crypto";
import { slotOf } from "./engine-messages.ts";
import type { EventRing } from "./events.ts";
import type { SwapRecord, SwapStep, SwapStepName } from "./swap-record.ts";
import type { ProviderRecord } from "./wanted.ts";

/** What is told of one swap: to who asked for it, to `describe`, and as events. */
export class SwapStory {
  readonly record: SwapRecord;
  readonly #events: EventRing;
  readonly #old: ProviderRecord;
  readonly #onStep: ((step: SwapStep) => void) | undefined;
  readonly #since = performance.now();

  constructor(events: EventRing, old: ProviderRecord, to: string, onStep: ((step: SwapStep) => void) | undefined) {
    this.#events = events;
    this.#old = old;
    this.#onStep = onStep;
    this.record = {
      id: randomUUID(),
      slot: slotOf(old.spec.id),
      startedAt: new Date().toISOString(),
      from: old.reference,
      to,
      state: "started",
      reason: "",
      steps: [],
    };
  }

  /** Milliseconds since it began. */
  get tookMs(): number {
    return Math.round(performance.now() - this.#since);
  }

  step(step: SwapStepName, text: string, reason = ""): void {
    const made: SwapStep = { step, text, atMs: this.tookMs };
    this.record.state = step;
    this.record.reason = reason;
    this.record.steps.push(made);
    this.#events.emit("swap_step", { swap_id: this.record.id, ...made });
    this.#onStep?.(made);
  }

  emit(type: "swap_started" | "swapped" | "swap_failed" | "swap_returned", data: Readonly<Record<string, unknown>>) {
    const { key: public_key, contractId: contract_id, linkName: link_name } = this.#old.spec;
    const { id: swap_id, from, to } = this.record;
    this.#events.emit(type, { swap_id, public_key, contract_id, link_name, from, to, ...data });
  }
}
