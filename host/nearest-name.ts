/**
 * The name among `candidates` that someone who typed `word` most likely meant; "" when none is near.
 * Case, dashes and underscores count for nothing; otherwise up to a third of the letters may differ.
 * `word` may be anything a user typed: what is longer than 64 characters has no neighbour.
 */
export function nearestName(word: string, candidates: Iterable<string>): string {
  if (word.length > 64) return "";
  const typed = plain(word);
  let best = "";
  let bestDistance = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.length > 64) continue;
    const distance = editDistance(typed, plain(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `; did you mean NAME?`, or nothing when no name is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = nearestName(word, candidates);
  return nearest === "" ? "" : `; did you mean ${nearest}?`;
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_\s]/g, "");

/** Inserted, dropped, changed and swapped neighbouring letters each count one (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    [beforeLast, last] = [last, current];
  }
  return last[to.length] ?? 0;
}
