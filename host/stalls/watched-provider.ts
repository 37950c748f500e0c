import { stepText } from "../children/provider-step.ts";
import { SeparateProvider } from "../children/separate-provider.ts";
import type { EngineOptions } from "../engine-options.ts";
import type { ProviderRow } from "../tables.ts";
import { stallWatch, steps } from "./stall-watch.ts";

/** An object of the caller's own runs in the caller's thread: it cannot be ended there, so at least it is named. */
export function watchStalls(row: ProviderRow, { stalls: log, limits, onNews }: EngineOptions): void {
  const { provider, spec } = row;
  if (!log || !provider || spec.source.kind !== "object" || provider instanceof SeparateProvider) return;
  const { name, id } = spec;
  const number = stallWatch.watch({ name, silenceMs: limits.providerSilenceMs, log }, ({ step, ms, where }) => {
    const at = where.length === 0 ? "" : `, at ${where.join(", ")}`;
    const reason = `it held the host's thread for ${ms} ms, in ${stepText(step)}${at}`;
    row.watch.stalled(reason);
    onNews({ id, news: "stalled", reason });
  });
  row.mark = number * steps;
}

/** May be called twice. */
export function forgetStalls(row: ProviderRow): void {
  if (row.mark === 0) return;
  stallWatch.forget(row.mark / steps);
  row.mark = 0;
}
