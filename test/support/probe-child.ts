/** A provider that answers its name and the value `at` of the link; one that refuses does not start. */
export default ({ name, refuses }: { readonly name: string; readonly refuses: boolean }) => ({
  contractId: "wasmcloud:keyvalue",
  name,
  start() {
    if (refuses) throw new Error("no room");
  },
  handle: ({ link }: { readonly link: { readonly values: Readonly<Record<string, string>> } }) =>
    Buffer.from(`${name} ${link.values["at"]}`),
  health: () => ({ healthy: true }),
});
