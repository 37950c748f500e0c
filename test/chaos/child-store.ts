import { memoryKeyvalue } from "../../capabilities/index.ts";

/** A store in memory for a process of its own. */
export default () => memoryKeyvalue();
