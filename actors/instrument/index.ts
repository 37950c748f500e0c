export { instrument } from "./instrument.ts";
export type { Instrumented, InstrumentOptions, MemoryLimits } from "./options.ts";
export { exportNames, KILL, LARGE, PENDING } from "./options.ts";
export { type AcceptedProposal, acceptedProposals, type RefusedProposal, refusedProposals } from "./proposals.ts";
export { type Opcode, opcodes, type ShapeName } from "./opcodes.ts";
