// Half-width floats to float32 and back, bit by bit (IEEE 754 binary16; bfloat16 is the upper half of a float32).

/** Widens float16 values given as bits. */
export function float16ToFloat32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = float16Table();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i] ?? 0] ?? 0;
  return out;
}

/** Widens bfloat16 values given as bits. */
export function bfloat16ToFloat32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] ?? 0) << 16;
  return new Float32Array(words.buffer);
}

/** Rounds to float16, to the nearest, ties to even; too large values become infinite. */
export function float32ToFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  return Uint16Array.from(values, (value) => {
    float[0] = value;
    const bits = word[0] ?? 0;
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = Math.abs(value);
    if (Number.isNaN(value)) return sign | 0x7e00;
    if (magnitude >= 65520) return sign | 0x7c00;
    if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
    // a carry out of the fraction goes on into the exponent, as it should
    const [exponent, fraction] = [(bits >>> 23) & 0xff, bits & 0x7fffff];
    return sign | (((exponent - 112) << 10) + roundToEven(fraction / 2 ** 13));
  });
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

let cachedTable: Float32Array | undefined;

/** All 65536 float16 values; 256 KiB, made once. */
function float16Table(): Float32Array {
  if (cachedTable !== undefined) return cachedTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 0x1f) table[bits] = fraction === 0 ? sign * Infinity : NaN;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  cachedTable = table;
  return table;
}
