// State as text that an address can hold: deflated, in base64url.

/** Text as base64url of its deflated bytes. */
export async function pack(text: string): Promise<string> {
  const bytes = new Uint8Array(
    await throughStream(new TextEncoder().encode(text), new CompressionStream("deflate-raw")),
  );
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Undoes `pack` and parses; undefined for anything else, or for more than any view writes. */
export async function unpack(packed: string): Promise<unknown> {
  try {
    const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const text = new TextDecoder().decode(await throughStream(bytes, new DecompressionStream("deflate-raw")));
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const MAX_UNPACKED = 4_000_000;

async function throughStream(bytes: Uint8Array<ArrayBuffer>, stream: GenericTransformStream): Promise<ArrayBuffer> {
  const reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> = new Blob([bytes])
    .stream()
    .pipeThrough(stream)
    .getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    length += next.value.length;
    if (length > MAX_UNPACKED) throw new RangeError("more than a view writes");
  }
  return new Blob(parts).arrayBuffer();
}
