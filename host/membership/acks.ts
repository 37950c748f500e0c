import { describe } from "../../lattice/index.ts";

/** Answer to a command: taken, or refused and why. Source: captures of 0.82, section 3 (this key order). */
export interface Ack {
  readonly accepted: boolean;
  readonly error: string;
}

export const accepted: Ack = Object.freeze({ accepted: true, error: "" });

export function refused(error: unknown): Ack {
  return { accepted: false, error: describe(error) };
}
