import { BlockList, isIPv6 } from "node:net";

/**
 * Addresses that are not the public internet: this machine, its networks, link-local services (the
 * metadata of clouds among them), multicast. Source: IANA special-purpose address registries (RFC 6890).
 */
const notPublic = new BlockList();
const v4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const v6: readonly (readonly [string, number])[] = [
  ["::", 127],
  ["100::", 64],
  ["2001:db8::", 32],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
];
for (const [net, prefix] of v4) {
  notPublic.addSubnet(net, prefix, "ipv4");
  // The same behind IPv6: mapped, translated (NAT64), tunnelled (6to4).
  notPublic.addSubnet(`64:ff9b::${net}`, 96 + prefix, "ipv6");
  notPublic.addSubnet(`2002:${hexOf(net)}::`, 16 + prefix, "ipv6");
}
for (const [net, prefix] of v6) notPublic.addSubnet(net, prefix, "ipv6");

/** True for an IP address, as text, that is not of the public internet. */
export function isPrivateAddress(address: string): boolean {
  const bare = address.split("%", 1)[0]!;
  // A block list looks at addresses that are mapped from IPv4 by the rules of IPv4.
  return notPublic.check(bare, isIPv6(bare) ? "ipv6" : "ipv4");
}

function hexOf(net: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = net.split(".").map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
