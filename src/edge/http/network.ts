// Whom an address stands for. An IPv4 address is one caller; of an IPv6 address the first 64 bits are: a caller is given all of the rest,
// and could take another one for each request.

/** The part of an address that callers do not choose themselves; anything else as it is. */
export function networkOf(address: string): string {
  const [bare = ""] = address.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (!bare.includes(":")) return bare;
  const [head = "", tail] = bare.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  const [a = "0", b = "0", c = "0", d = "0"] = groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""));
  return `${a}:${b}:${c}:${d}::/64`;
}
