import { fail } from "../lattice/index.ts";
import type { Field, Shape } from "./parameters.ts";
import { checkParameters, text } from "./parameters.ts";

/** What a verb knows of who asks. */
export interface VerbContext {
  /** Aborted when the asker is gone; a stream ends, work that can be given up is. */
  readonly signal: AbortSignal;
  /** From where it is asked. Over the lattice a reference never means a file of this host. Default the socket. */
  readonly from?: "socket" | "lattice";
}

/**
 * One thing that can be asked of a host. The control socket, the lattice's control messages and the
 * command line feed the same table, so a verb is written once.
 */
export interface Verb {
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** True when it changes nothing; then GET may ask it too. */
  readonly reads?: boolean;
  /**
   * Answers an object, or a stream of them for what goes on (`logs --follow`, `get events -w`).
   * @throws LatticeError REQUEST_INVALID when `params` are not what the verb wants; its own otherwise.
   */
  run(params: unknown, context: VerbContext): Promise<object | AsyncIterable<object>>;
}

export type Verbs = Readonly<Record<string, Verb>>;

/** What `verb` is given: the parameters as a table of fields, and work that gets them checked. */
export interface VerbDefinition<F extends Record<string, Field<unknown>>> {
  readonly name: string;
  readonly summary: string;
  readonly reads?: boolean;
  readonly params: F;
  run(params: Shape<F>, context: VerbContext): Promise<object | AsyncIterable<object>>;
}

/** An actor, a provider or a host, by any of its names. */
export const target = text({ max: 1_024 });

/** Makes a verb whose parameters are checked before it runs; all problems are told at once. */
export function verb<F extends Record<string, Field<unknown>>>(definition: VerbDefinition<F>): Verb {
  return {
    summary: definition.summary,
    reads: definition.reads ?? false,
    async run(params, context) {
      return await definition.run(checkParameters(definition.name, definition.params, params), context);
    },
  };
}

/** @throws LatticeError VERB_UNKNOWN when the table has no such row. */
export function findVerb(verbs: Verbs, name: string): Verb {
  const found = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!found) throw fail("VERB_UNKNOWN", name);
  return found;
}
