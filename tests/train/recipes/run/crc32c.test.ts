// Vectors of RFC 3720, appendix B.4, and of the customary check string.

import { expect, test } from "vitest";
import { crc32c, maskedCrc32c } from "../../../../src/train/recipes/run/crc32c.ts";

const bytes = (length: number, value: (index: number) => number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => value(index));

test.each([
  ["32 zero bytes", bytes(32, () => 0), 0x8a9136aa],
  ["32 bytes of ones", bytes(32, () => 0xff), 0x62a8ab43],
  ["32 rising bytes", bytes(32, (index) => index), 0x46dd794e],
  ["32 falling bytes", bytes(32, (index) => 31 - index), 0x113fdb5c],
  ["the string 123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["no bytes", new Uint8Array(), 0],
])("CRC-32C of %s is the published one", (_, data, crc) => {
  expect(crc32c(data)).toBe(crc);
});

test("the mask rotates by 15 bits and adds a constant", () => {
  // by hand: 0x8a9136aa rotated right by 15 is 0x6d551522; plus 0xa282ead8, modulo 2^32, is 0x0fd7fffa
  expect(maskedCrc32c(new Uint8Array(32))).toBe(0x0fd7fffa);
});
