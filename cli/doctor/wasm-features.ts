/**
 * The smallest module that needs each proposal, as hexadecimal digits after the eight bytes every
 * module begins with. Types come first: `() -> ()`, unless said otherwise.
 */
const probes: Readonly<Record<string, string>> = {
  // func: v128.const 0, drop
  SIMD: "010401600000030201000a17011500fd0c000000000000000000000000000000001a0b",
  // func: return_call 0
  "tail calls": "010401600000030201000a0601040012000b",
  // tag of type 0
  exceptions: "0104016000000d03010000",
  // () -> (i32, i32): i32.const 0, i32.const 0
  "multi-value": "0106016000027f7f030201000a08010600410041000b",
  // memory; func: memory.fill 0 0 0
  "bulk memory": "0104016000000302010005030100000a0d010b00410041004100fc0b000b",
  // global mutable i32, exported
  "mutable globals": "0606017f0141000b07050101670300",
  // func: i32.const 0, i32.extend8_s, drop
  "sign extension": "010401600000030201000a080106004100c01a0b",
};

const preamble = "0061736d01000000";

/** Names of the proposals that an engine does not take. */
export function missingFeatures(validate: (bytes: Uint8Array) => boolean): string[] {
  return Object.entries(probes)
    .filter(([, digits]) => !validate(Buffer.from(preamble + digits, "hex")))
    .map(([name]) => name);
}

export const featureNames: readonly string[] = Object.keys(probes);
