/** A place to listen: host name or IP address without brackets, and port (0 = any free one). */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `[::1]:port`, `:port` or a port alone; a host alone takes `port` if given.
 * The host is 127.0.0.1 when none is said. Returns undefined for anything else.
 */
export function parseAddress(text: string, port?: number): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]/]*))(?::(\d{1,5}))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, ipv6, name = "", digits] = match;
  if (ipv6 === undefined && digits === undefined && /^\d{1,5}$/.test(name)) return checked("127.0.0.1", Number(name));
  const wanted = digits === undefined ? port : Number(digits);
  return wanted === undefined ? undefined : checked(ipv6 ?? (name === "" ? "127.0.0.1" : name), wanted);
}

function checked(host: string, port: number): ListenAddress | undefined {
  return port <= 65_535 ? { host, port } : undefined;
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
