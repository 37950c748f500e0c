import type { Bodies } from "./bodies.ts";
import { mostCost } from "./charges.ts";
import { unchargedMost } from "./code-walker.ts";
import { typicalCost } from "./path-cost.ts";

const unseen = 0;
const open = 1;
const closed = 2;

/**
 * Decides which functions charge at their entry, and how much: 0 for none.
 *
 * Between two charges only a bounded amount of work may lie. Loops charge for themselves, so that
 * leaves calls: every cycle of calls must pass a charge, and so must a tree of calls whose sum grows
 * large (thirty functions that call the next one twice do 2^30 calls). One walk in depth over the
 * graph does both: a call that leads back to a function still open closes a cycle, and a function is
 * closed after those it calls, so that their cost is known. Calls through a table lead to one node
 * more, and from there to every function that a table may hold.
 */
export function entryCharges(bodies: Bodies, escaping: Uint8Array): Int32Array {
  const defined = escaping.length;
  const table = defined;
  const { calls, callsFrom, most, least } = bodies;
  const held = heldByTables(escaping);
  const charges = new Int32Array(defined);
  /** What one call of a function may use without any charge. */
  const uncharged = new Int32Array(defined + 1);
  const states = new Uint8Array(defined + 1);
  const onCycle = new Uint8Array(defined + 1);
  /** By node: the next of its calls to follow. */
  const cursors = new Int32Array(defined + 1);
  const stack = new Int32Array(defined + 1);

  const close = (node: number): void => {
    states[node] = closed;
    if (node === table) {
      for (const callee of held) uncharged[table] = Math.max(uncharged[table]!, uncharged[callee]!);
      return;
    }
    let total = most[node]!;
    for (let index = callsFrom[node]!; index < callsFrom[node + 1]!; index++) {
      const call = calls.items[index]!;
      // A loop has charged for those it calls.
      if ((call & 1) === 1) continue;
      const callee = call >> 1;
      total += callee === table && states[table] === open ? unchargedMost : uncharged[callee]!;
    }
    if (onCycle[node] === 1 || total > unchargedMost) {
      charges[node] = Math.max(1, Math.min(mostCost, typicalCost(least[node]!, total)));
    }
    if (charges[node] === 0) uncharged[node] = total;
  };

  for (let root = 0; root < defined; root++) {
    if (states[root] !== unseen) continue;
    let depth = 0;
    stack[0] = root;
    states[root] = open;
    cursors[root] = callsFrom[root]!;
    while (depth >= 0) {
      const node = stack[depth]!;
      const cursor = cursors[node]!;
      const end = node === table ? held.length : callsFrom[node + 1]!;
      if (cursor === end) {
        close(node);
        depth--;
        continue;
      }
      cursors[node] = cursor + 1;
      const callee = node === table ? held[cursor]! : calls.items[cursor]! >> 1;
      if (states[callee] === unseen) {
        states[callee] = open;
        cursors[callee] = callee === table ? 0 : callsFrom[callee]!;
        stack[++depth] = callee;
      } else if (states[callee] === open) {
        // A table charges nothing: there its caller does.
        onCycle[callee === table ? node : callee] = 1;
      }
    }
  }
  return charges;
}

function heldByTables(escaping: Uint8Array): Int32Array {
  const held: number[] = [];
  for (const [index, escapes] of escaping.entries()) if (escapes === 1) held.push(index);
  return Int32Array.from(held);
}
