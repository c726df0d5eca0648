// Limits by key, a fair share of the line, and a Retry-After that means something; the clock is the test's.

import { describe, expect, test } from "vitest";
import { parseSettings } from "../../src/edge/env.ts";
import { createAccounts } from "../../src/edge/http/accounts.ts";
import { HttpError } from "../../src/edge/http/errors.ts";
import { createPace, MAX_TIMES } from "../../src/edge/http/pace.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

const FREE = { waiting: 0, maxWaiting: 16 };
const NEARLY_FULL = { waiting: 12, maxWaiting: 16 };

function accountsOf(env: Record<string, string>) {
  const clock = { ms: 1_000_000 };
  return { clock, accounts: createAccounts(parseSettings(env), () => clock.ms) };
}

/** The error of what must fail. */
function refusal(work: () => unknown): { message: string; retryAfter: number } {
  try {
    work();
  } catch (error) {
    if (error instanceof HttpError && error.status === 429) {
      return { message: error.message, retryAfter: Number(error.headers["retry-after"]) };
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

test("requests a minute: the next is refused until one has come back", () => {
  const { accounts, clock } = accountsOf({ REQUESTS_PER_MINUTE: "6" });
  for (let i = 0; i < 6; i++) accounts.enter("a", FREE)();
  // six a minute: one in ten seconds
  expect(refusal(() => accounts.enter("a", FREE))).toMatchObject({ retryAfter: 10 });
  accounts.enter("b", FREE)();
  clock.ms += 10_000;
  accounts.enter("a", FREE)();
  expect(refusal(() => accounts.enter("a", FREE)).message).toContain("requests of this minute");
});

test("tokens a minute: what a request used counts against the next", () => {
  const { accounts, clock } = accountsOf({ TOKENS_PER_MINUTE: "600" });
  accounts.enter("a", FREE)();
  accounts.charge("a", 900);
  // 300 over at ten a second, and one token more
  expect(refusal(() => accounts.enter("a", FREE))).toEqual({
    message: "the tokens of this minute are used up. Try again in 31 s.",
    retryAfter: 31,
  });
  clock.ms += 31_000;
  accounts.enter("a", FREE)();
});

test("a key's own limits win over the worker's", () => {
  const keys = { big: { key: "12345678", requests_per_minute: 3 }, small: "abcdefgh" };
  const { accounts } = accountsOf({ REQUESTS_PER_MINUTE: "1", STEPWISE_API_KEYS: JSON.stringify(keys) });
  for (let i = 0; i < 3; i++) accounts.enter("big", FREE)();
  refusal(() => accounts.enter("big", FREE));
  accounts.enter("small", FREE)();
  refusal(() => accounts.enter("small", FREE));
});

describe("a line that is nearly full", () => {
  test("takes no more of a caller that holds more than its share, while another finds a place", () => {
    const { accounts } = accountsOf({});
    for (let i = 0; i < 12; i++) accounts.enter("greedy", FREE);
    accounts.enter("modest", FREE);
    expect(refusal(() => accounts.enter("greedy", NEARLY_FULL)).message).toContain("more than your share");
    accounts.enter("modest", NEARLY_FULL);
    accounts.enter("greedy", FREE);
  });

  test("is all of the only caller's", () => {
    const { accounts, clock } = accountsOf({});
    accounts.enter("gone", FREE)();
    clock.ms += 61_000;
    for (let i = 0; i < 16; i++) accounts.enter("only", NEARLY_FULL);
  });
});

test("over HTTP, too: who holds most of a line that is nearly full gets 429, another is served", async () => {
  const leave: (() => void)[] = [];
  let waiting = 0;
  const engine = fakeEngine({
    status: () => ({ running: 1, waiting, tokensPerSecond: 0, memoryBytes: 0 }),
    generate: async (options) => {
      if (options.prompt === "long") await new Promise<void>((resolve) => leave.push(resolve));
      return fakeEngine().generate(options);
    },
  });
  const { call } = appOn(engine);
  const from = (address: string) => ({ "cf-connecting-ip": address });
  // one network, many addresses
  const held = Array.from({ length: 4 }, (_, i) => call("/generate", { prompt: "long" }, from(`2001:db8::${i + 1}`)));
  await expect.poll(() => leave.length).toBe(4);
  waiting = 12;
  const alone = await call("/generate", { prompt: "x" }, from("2001:db8::ffff"));
  // the other caller is known now, so that two share
  expect((await call("/generate", { prompt: "x" }, from("192.0.2.1"))).status).toBe(200);
  const again = await call("/generate", { prompt: "x" }, from("2001:db8::ffff"));
  expect([alone.status, again.status]).toEqual([200, 429]);
  expect(again.json).toMatchObject({
    error_type: "rate_limited",
    error: expect.stringContaining("4 requests of yours"),
  });
  for (const end of leave) end();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("Retry-After is when half of what is in flight will be done, by the pace of late", () => {
  const { accounts, clock } = accountsOf({});
  expect(accounts.retryAfter()).toBe(1);
  for (let i = 0; i < 10; i++) {
    const leave = accounts.enter("a", FREE);
    clock.ms += 2_000;
    leave();
  }
  for (let i = 0; i < 8; i++) accounts.enter("a", FREE);
  // ten in 18 s since the first was done: 4 take 7.2 s
  expect(accounts.retryAfter()).toBe(8);
});

describe("keys with names", () => {
  const env = { STEPWISE_API_KEY: "correct-horse", STEPWISE_API_KEYS: '{"team-a": "battery-staple"}' };

  test("each opens the API and has its own lines in the metrics", async () => {
    const { call } = appOn(fakeEngine(), env);
    const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
    expect((await call("/generate", { prompt: "x" }, bearer("battery-staple"))).status).toBe(200);
    expect((await call("/generate", { prompt: "x" }, bearer("battery-stapl"))).status).toBe(401);
    expect((await call("/score", { prompt: "Q", completion: "a\nb" }, bearer("correct-horse"))).status).toBe(200);
    const { text } = await call("/metrics", undefined, bearer("correct-horse"));
    expect(text).toContain('stepwise_key_generated_tokens_total{key="team-a"} 3\n');
    expect(text).toContain('stepwise_key_generated_tokens_total{key="default"} 0\n');
    expect(text).toContain('stepwise_key_scored_steps_total{key="default"} 2\n');
    expect(text).not.toContain("battery");
  });

  test.each([
    ["a space", { STEPWISE_API_KEY: "correct horse" }, "STEPWISE_API_KEY: holds a space"],
    ["no JSON", { STEPWISE_API_KEYS: "team-a:key" }, "STEPWISE_API_KEYS: is not JSON"],
    ["a short key", { STEPWISE_API_KEYS: '{"a": "short"}' }, "STEPWISE_API_KEYS.a"],
    ["an odd name", { STEPWISE_API_KEYS: '{"a\\nb": "12345678"}' }, "STEPWISE_API_KEYS"],
    ["one key twice", { STEPWISE_API_KEYS: '{"a": "12345678", "b": "12345678"}' }, "the same key or name"],
  ])("%s is refused at the start", (_, wrong, message) => {
    expect(() => parseSettings(wrong)).toThrow(message);
  });
});

test("the pace of requests is that of the last ones, and no more of them are held however many come", () => {
  const clock = { ms: 0 };
  const pace = createPace(() => clock.ms);
  expect(pace.perMs()).toBeUndefined();
  for (let second = 0; second < 40; second++) {
    clock.ms += 1_000;
    pace.count();
  }
  // of 40 s the last 30: the one 30 s ago no longer counts
  expect(pace.perMs()).toBeCloseTo(30 / 29_000, 12);
  // four a millisecond
  for (let at = 0; at < 200_000; at++) {
    if (at % 4 === 0) clock.ms += 1;
    pace.count();
    expect(pace.held).toBeLessThan(2 * MAX_TIMES);
  }
  // the last thousand took 250 ms, and a second is the shortest time that is looked at
  expect(pace.perMs()).toBe(1);
});
