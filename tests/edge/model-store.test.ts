import { describe, expect, test } from "vitest";
import { createAssetStore, createBucketStore, readFile, readJson, readVerified } from "../../src/edge/model-store.ts";
import { ArtifactError } from "../../src/shared/errors.ts";

const bytes = new TextEncoder().encode("abc");
// FIPS 180-2, appendix B.1
const file = {
  path: "config.json",
  role: "config" as const,
  bytes: 3,
  sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
};
const bucket = {
  async get(key: string) {
    if (key !== "m/config.json") return null;
    return { arrayBuffer: async () => bytes.buffer, body: new Blob([bytes]).stream() };
  },
};

const textOf = (stream: ReadableStream<Uint8Array> | undefined): Promise<string> => new Response(stream ?? null).text();

describe("stores", () => {
  test("an R2 bucket holds files under folder and path", async () => {
    const store = createBucketStore(bucket);
    expect(await store.read("m/config.json")).toEqual(bytes);
    expect(await store.read("m/other.json")).toBeUndefined();
    expect(await textOf(await store.stream("m/config.json"))).toBe("abc");
    expect(await store.stream("m/other.json")).toBeUndefined();
  });

  test("static assets hold them under the same paths; anything but 2xx is absence", async () => {
    const asked: string[] = [];
    const store = createAssetStore({
      async fetch(url) {
        asked.push(new URL(url).pathname);
        return url.endsWith("/m/config.json") ? new Response(bytes) : new Response("not found", { status: 404 });
      },
    });
    expect(await store.read("m/config.json")).toEqual(bytes);
    expect(await store.read("m/other.json")).toBeUndefined();
    expect(asked).toEqual(["/m/config.json", "/m/other.json"]);
    expect(await textOf(await store.stream("m/config.json"))).toBe("abc");
    expect(await store.stream("m/other.json")).toBeUndefined();
  });
});

describe("checks", () => {
  const store = createBucketStore(bucket);

  test("bytes with the manifest's size and sha256 pass", async () => {
    expect(await readVerified(store, "m", file)).toEqual(bytes);
  });
  test("another sha256 or size is refused by name", async () => {
    await expect(readVerified(store, "m", { ...file, sha256: "0".repeat(64) })).rejects.toThrow(
      "sha256 differs from the manifest's (m/config.json)",
    );
    await expect(readVerified(store, "m", { ...file, bytes: 4 })).rejects.toThrow("3 bytes, the manifest says 4");
  });
  test("an absent file is refused by name", async () => {
    await expect(readFile(store, "m/tokenizer.json")).rejects.toThrow("the model file is not there (m/tokenizer.json)");
  });
  test("a file that is not JSON is an artifact's fault", () => {
    expect(() => readJson(bytes, "m/config.json")).toThrow(ArtifactError);
  });
});
