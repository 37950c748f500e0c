/** Our own store as a module that a child process can run. */
export { memoryKeyvalue as default } from "../../capabilities/index.ts";
