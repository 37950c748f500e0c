import { fileURLToPath } from "node:url";
import { makeArchive, ownTarget } from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";

/** A program that speaks the old provider protocol: a script of two lines for this machine's Node. */
export const archiveProgram: Uint8Array = Buffer.from(
  `#!${process.execPath}\nimport ${JSON.stringify(fileURLToPath(new URL("archive-program.mjs", import.meta.url)))};\n`,
);

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
