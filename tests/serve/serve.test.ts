// The server on Node over real sockets: whom it answers, ports that are taken, what is left behind.

import { existsSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "../../src/serve/serve.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

let model: Awaited<ReturnType<typeof exportTinyModel>>;
beforeAll(async () => {
  model = await exportTinyModel("t5-v1.1");
});
afterAll(() => model.remove());

const start = (more: Partial<Parameters<typeof startServer>[0]> = {}) =>
  startServer({
    policyDir: model.dir,
    rewardDir: model.dir,
    dtype: "fp32",
    host: "127.0.0.1",
    port: 0,
    threads: 1,
    env: {},
    preparePages: async () => undefined,
    log: () => undefined,
    ...more,
  });

/** The status, called by a name that is not where the request goes. */
function statusAs(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/health`, { headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

test("on a loopback address it answers no name of elsewhere, unless that is allowed", async () => {
  const server = await start();
  try {
    expect(await statusAs(server.url, {})).toBe(200);
    expect(await statusAs(server.url, { host: "rebound.example" })).toBe(403);
    expect(await statusAs(server.url, { origin: "https://elsewhere.example" })).toBe(403);
  } finally {
    await server.stop();
  }
  const tunnelled = await start({ env: { ALLOWED_HOSTS: "my.tunnel.example" } });
  try {
    expect(await statusAs(tunnelled.url, { host: "my.tunnel.example" })).toBe(200);
    expect(await statusAs(tunnelled.url, { host: "rebound.example" })).toBe(403);
  } finally {
    await tunnelled.stop();
  }
});

test("on every address it answers by any name", async () => {
  const server = await start({ host: "0.0.0.0" });
  try {
    const url = server.url.replace("0.0.0.0", "127.0.0.1");
    expect(await statusAs(url, { host: "container.example", origin: "https://elsewhere.example" })).toBe(200);
  } finally {
    await server.stop();
  }
});

test("a port that is taken is told before models are opened", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo; // a TCP server's address is always one
  try {
    // opening these would be another error
    const nowhere = { policyDir: "/nowhere", rewardDir: "/nowhere" };
    await expect(start({ ...nowhere, port })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});

test("a start that fails leaves no folder behind", async () => {
  let made = "";
  const preparePages = async (dir: string) => {
    made = dir;
    expect(existsSync(dir)).toBe(true);
    throw new Error("no pages");
  };
  await expect(start({ preparePages })).rejects.toThrow("no pages");
  expect(made).toContain("stepwise-pages-");
  expect(existsSync(made)).toBe(false);
});

test("an IPv6 address stands in brackets in its URL", async ({ skip }) => {
  const probe = createServer();
  const hasIpv6 = await new Promise<boolean>((resolve) => {
    probe.once("error", () => resolve(false)).listen(0, "::1", () => probe.close(() => resolve(true)));
  });
  if (!hasIpv6) return skip("this machine has no IPv6");
  const server = await start({ host: "::1" });
  try {
    expect(new URL(server.url).hostname).toBe("[::1]");
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  } finally {
    await server.stop();
  }
});
