/**
 * `fast-check` that makes the same choices in every run, so that a change is judged by what it changes
 * and not by luck. `PROPERTY_SEED=N` makes others, `PROPERTY_SEED=random` any.
 */
import { configureGlobal } from "fast-check";

const wanted = process.env.PROPERTY_SEED ?? "1";
if (wanted !== "random") configureGlobal({ seed: Number(wanted) });

export * from "fast-check";
