import { stopHosts } from "../stopping.ts";

export const command = () =>
  stopHosts({
    name: "down",
    summary: "drain and stop a host of this machine",
    all: "every host of this machine",
    here: true,
    more: "A host elsewhere on a lattice: lattice stop host HOST.",
  });
