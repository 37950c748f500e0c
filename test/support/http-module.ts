/** Our own HTTP server as a module that a child process can run. */
export { httpServer as default } from "../../capabilities/index.ts";
