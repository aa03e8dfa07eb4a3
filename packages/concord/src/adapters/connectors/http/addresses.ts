/**
 * Owns which addresses an outside URL may lead to: public unicast ones, and no others unless they were named. One
 * table of special-purpose ranges (IANA, by ipaddr.js) decides, so that a way around it (mapped, translated, tunnelled
 * addresses) is closed where it is listed.
 */
import ipaddr from "ipaddr.js";

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Ranges such as `10.1.0.0/16` or `::1/128`. Throws `RangeError` on anything else. */
export function parseRanges(texts: readonly string[]): readonly Range[] {
  return texts.map((text) => {
    if (!ipaddr.isValidCIDR(text))
      throw new RangeError(`"${text}" is not a range such as 10.1.0.0/16`);
    return ipaddr.parseCIDR(text);
  });
}

/** Why `address` may not be connected to; undefined when it may. */
export function addressProblem(address: string, allowed: readonly Range[]): string | undefined {
  if (!ipaddr.isValid(address)) return `${address} is not an address`;
  // Turns ::ffff:10.0.0.1 into what it means.
  const parsed = ipaddr.process(address);
  const isNamed = allowed.some(
    ([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits),
  );
  if (isNamed || parsed.range() === "unicast") return undefined;
  return `${address} is a ${parsed.range()} address`;
}

export type AddressRange = Range;
