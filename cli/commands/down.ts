import { stopHosts } from "../stopping.ts";

export const command = () => stopHosts("down", "drain and stop a host of this machine");
