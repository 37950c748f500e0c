import type { Fleet } from "./fleet.ts";
import { sumPlacements } from "./inventory.ts";
import { Trial } from "./swap-trial.ts";

/** Failed calls that say nothing yet, and the share that any actor may have. */
const fewErrors = 2;
const usualShare = 0.1;

/** Calls of placements until now, and those of them that failed. */
export interface CallFigures {
  readonly calls: number;
  readonly errors: number;
}

export async function callFigures(fleet: Fleet, placements: readonly string[]): Promise<CallFigures> {
  const sums = sumPlacements(await fleet.stats());
  const own = placements.flatMap((id) => sums.get(id) ?? []);
  return {
    calls: own.reduce((sum, { calls }) => sum + calls, 0),
    errors: own.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/**
 * The time in which a new module must show that no more of its calls fail than twice the share that failed
 * `before`, or a tenth. Figures of a placement begin anew with each module.
 */
export function updateTrial(fleet: Fleet, placements: readonly string[], before: CallFigures): Trial {
  const share = before.calls === 0 ? 0 : before.errors / before.calls;
  const tolerated = Math.max(2 * share, usualShare);
  return new Trial(placements[0] ?? "", async () => {
    const { calls, errors } = await callFigures(fleet, placements);
    const failing = errors > fewErrors && errors > tolerated * calls;
    return {
      problem: failing ? `${errors} of its first ${calls} calls failed` : undefined,
      // How long a call may take is told by its deadline, whose errors count.
      figures: { calls, faults: errors, waited: 0, refused: 0, inFlight: 0 },
    };
  });
}
