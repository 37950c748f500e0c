import type { Language } from "./toolchains.mjs";

export interface Example {
  readonly name: string;
  /** Folder or file, beside the list. */
  readonly source: string;
  readonly language: Language;
  /** The signed module, beside the list. */
  readonly file: string;
  readonly era: "E2" | "E4";
  readonly claims: readonly string[];
  readonly call_alias: string;
  /** Its public key. */
  readonly module: string;
}
/** The examples as their list describes them; `account` is the public key that signed them. */
export function examples(): { readonly account: string; readonly examples: readonly Example[] };
export function buildExample(example: Example): string | undefined;
