import { isLatticeError } from "../../lattice/index.ts";

/** Messages of the lattice that this host refused, by error code: `INTERNAL` for what no code tells. */
export class Refusals {
  readonly byCode: Record<string, number> = {};

  count(error: unknown): void {
    const code = isLatticeError(error) ? error.code : "INTERNAL";
    this.byCode[code] = (this.byCode[code] ?? 0) + 1;
  }
}
