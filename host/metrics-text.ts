import type { Family, HistogramFigures, Labels } from "./metrics.ts";

/** Media type of what `metricsText` writes. */
export const metricsMediaType = "text/plain; version=0.0.4; charset=utf-8";

/** Families as the text that Prometheus scrapes; those without a series are left out. Source: exposition format 0.0.4. */
export function metricsText(families: Iterable<Family>): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of families) {
    if (samples.length === 0) continue;
    lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`);
    for (const { labels, value } of samples) {
      if (typeof value === "number") lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
      else lines.push(...histogramLines(name, labels, value));
    }
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function* histogramLines(name: string, labels: Labels, figures: HistogramFigures): Generator<string> {
  let below = 0;
  for (const [place, count] of figures.counts.entries()) {
    below += count;
    const le = numberText(figures.bounds[place] ?? Infinity);
    yield `${name}_bucket${labelText({ ...labels, le })} ${below}`;
  }
  yield `${name}_sum${labelText(labels)} ${numberText(figures.sum)}`;
  yield `${name}_count${labelText(labels)} ${below}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** Values come from tokens that anyone may have signed, so they are bounded too. */
function escaped(value: string): string {
  return value.slice(0, 256).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
