import type { SwapOutcome, SwapStep } from "./swap-record.ts";

/**
 * A swap as lines for who asked: each step as it is done, then the outcome. It goes on when the
 * asker leaves: half a swap helps nobody.
 * @throws what the swap throws, after its steps.
 */
export async function* swapLines(
  run: (onStep: (step: SwapStep) => void) => Promise<SwapOutcome>,
): AsyncGenerator<object, void> {
  const steps: SwapStep[] = [];
  let wake = () => {};
  let ended = false;
  const swapping = run((step) => {
    steps.push(step);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  swapping.catch(() => {});
  for (;;) {
    for (const { step, text, atMs } of steps.splice(0)) yield { step, text, at_ms: atMs };
    if (ended && steps.length === 0) break;
    if (!ended) await new Promise<void>((resolve) => (wake = resolve));
  }
  yield outcomeJson(await swapping);
}

function outcomeJson({
  outcome,
  provider,
  host,
  reason,
  calls,
  waited,
  lost,
  keysCopied,
  pauseMs,
  tookMs,
}: SwapOutcome) {
  return {
    outcome,
    provider: { id: provider.id, name: provider.name, contract_id: provider.contractId, link_name: provider.linkName },
    ...(host === undefined ? {} : { host }),
    ...(reason === undefined ? {} : { reason }),
    calls,
    waited,
    lost,
    keys_copied: keysCopied,
    pause_ms: pauseMs,
    took_ms: tookMs,
  };
}
