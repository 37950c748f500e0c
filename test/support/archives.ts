import { fileURLToPath } from "node:url";
import { makeArchive, ownTarget } from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";

const program = fileURLToPath(new URL("archive-program.mjs", import.meta.url));

/** A program that speaks the old provider protocol: a script of two lines for this machine's Node. */
export const archiveProgram = programNamed({});

/** The same for another contract, or as one of several versions. */
export function programNamed(names: { readonly contract?: string; readonly version?: string }): Uint8Array {
  const query = new URLSearchParams(names).toString();
  return Buffer.from(
    `#!${process.execPath}\nimport ${JSON.stringify(query === "" ? program : `${program}?${query}`)};\n`,
  );
}

export interface ArchiveParts {
  readonly program?: Uint8Array;
  /** Default `demo:archive`. */
  readonly contractId?: string;
  readonly issuer?: KeyPair;
  readonly subject?: string;
  readonly expiresAt?: number;
}

/** An archive of it, for the contract `demo:archive`. */
export function archiveOf(parts: ArchiveParts = {}): Uint8Array {
  const { program = archiveProgram, contractId = "demo:archive", issuer, subject, expiresAt } = parts;
  return makeArchive({
    name: "Archived",
    contractId,
    vendor: "Demo",
    revision: 1,
    issuer: issuer ?? KeyPair.generate("account"),
    subject: subject ?? KeyPair.generate("service").publicKey,
    binaries: new Map([[ownTarget(), program]]),
    expiresAt,
  });
}
