import { type Figure, type Peer, verdict } from "./harness.ts";

/** A row of ours that could not be measured. */
export interface Failure {
  readonly row: string;
  readonly error: string;
}

const heads = ["row", "figure", "ours", "beside it", "ratio", "first", "goal", "stands"] as const;

/** The table as text, one line per figure; then what was skipped and what failed, with the reason. */
export function tableText(figures: readonly Figure[], failures: readonly Failure[]): string {
  const lines = [heads, ...figures.map(cells)];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const rendered = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  const notes = figures.map(({ row, figure, how }) => `  ${row}, ${figure}: ${how}`);
  const skipped = figures.flatMap(({ row, peer }) =>
    peer && "skipped" in peer ? [`skipped: ${row} beside ${peer.name}: ${peer.skipped}`] : [],
  );
  const failed = failures.map(({ row, error }) => `FAILED: ${row}: ${error}`);
  return [...rendered, "", "how measured:", ...notes, ...skipped, ...failed, ""].join("\n");
}

function cells(figure: Figure): string[] {
  const { row, value, unit, ratio, peer, budget } = figure;
  const wanted = (limit: number) =>
    `${budget?.better === "lower" ? "<=" : ">="} ${amount(limit)}${budget?.of === "ratio" ? "x" : ` ${unit}`}`;
  return [
    row,
    figure.figure,
    `${amount(value)} ${unit}`,
    peer ? peerText(peer, unit) : "-",
    ratio === undefined ? "-" : `${amount(ratio)}x`,
    budget ? wanted(budget.first) : "-",
    budget ? wanted(budget.goal) : "-",
    verdict(figure) || "-",
  ];
}

function peerText(peer: Peer, unit: string): string {
  return "skipped" in peer ? `${peer.name}: skipped` : `${peer.name}: ${amount(peer.value)} ${unit}`;
}

/** Three digits that mean something. */
function amount(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000) return Math.round(value).toLocaleString("en-GB").replaceAll(",", " ");
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
