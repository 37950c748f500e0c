/**
 * The five families of waPC guests. The era decides import module, operation names and encoding;
 * it is a property of the module, never of the host.
 * Source: waPC and actors reference, section 1.
 */
export const eras = ["E0", "E1", "E2", "E3", "E4"] as const;
export type Era = (typeof eras)[number];

/** AssemblyScript guests of the waSCC years read maps only, never arrays (reference, section 4). */
export type GuestLanguage = "rust" | "assemblyscript" | "other";
