/**
 * Which forms of call a host speaks with other hosts: `wasmcloud` the signed invocations of 0.x,
 * `session` sealed frames between our own hosts, `both` each where it fits.
 */
export const rpcPolicies = ["session", "wasmcloud", "both"] as const;
export type RpcPolicy = (typeof rpcPolicies)[number];

/** What a directed call uses, or why there can be none. */
export type RpcForm = { readonly form: "session" | "wasmcloud" } | { readonly form: "none"; readonly why: string };

/**
 * The form of directed calls between two of our hosts. `session` wherever both speak it: what the
 * peer speaks stands in its signed hello, so that nobody between can talk two hosts down.
 */
export function chooseForm(own: RpcPolicy, peer: RpcPolicy): RpcForm {
  if (own !== "wasmcloud" && peer !== "wasmcloud") return { form: "session" };
  if (own !== "session" && peer !== "session") return { form: "wasmcloud" };
  return { form: "none", why: `this host speaks ${own} only, the other ${peer} only` };
}

/** Whether a host of this policy may send or run invocations of 0.x at all. */
export function speaksWasmcloud(policy: RpcPolicy): boolean {
  return policy !== "session";
}
