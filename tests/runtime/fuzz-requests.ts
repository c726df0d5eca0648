// Requests made from the API's own description: bodies that fit a route's schema, bodies that nearly do, and bytes that are no JSON.

import fc from "fast-check";

type Json = Record<string, unknown>;

export interface FuzzRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | undefined;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const words = fc.constantFrom(
  "a",
  "apples",
  "3 + 4 = 7\nso 7",
  "the step is next",
  "\u0000",
  "日本",
  "\ud83e\uddee",
  "\u00a0",
  "\u202e",
);
const shortText = fc.oneof({ weight: 6, arbitrary: words }, { weight: 2, arbitrary: fc.string({ maxLength: 30 }) });
const hugeText = fc
  .tuple(
    fc.constantFrom("a", " ", "\u4e00", "\n", "\u00a0", "a\n", "<pad>", "\ud800", "\u0301"),
    fc.integer({ min: 1_000, max: 60_000 }),
  )
  .map(([piece, times]) => piece.repeat(times));
const oddNumber = fc.constantFrom(0, -1, 1e-45, 5e-324, 1e308, -0, 2 ** 31, 2 ** 53, 0.1, 1e21, 4294967296);
const deep = fc.integer({ min: 10, max: 4_000 }).map((depth) => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
});
const anything = fc.oneof(
  shortText,
  hugeText,
  oddNumber,
  fc.constantFrom(null, true, false, [], {}),
  deep,
  fc.jsonValue(),
);

/** A value that fits a JSON schema, mostly. */
function fitting(schema: unknown): fc.Arbitrary<unknown> {
  if (!isObject(schema)) return anything;
  if (Array.isArray(schema.anyOf)) return fc.oneof(...schema.anyOf.map(fitting));
  if ("const" in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  const bound = (key: string, other: number): number => (typeof schema[key] === "number" ? schema[key] : other);
  switch (schema.type) {
    case "string":
      return fc.oneof({ weight: 20, arbitrary: shortText }, { weight: 1, arbitrary: hugeText });
    case "integer": {
      // small ones, so that what is valid is quickly done
      const min = Math.max(bound("minimum", 0), bound("exclusiveMinimum", -1) + 1, -100);
      return fc.oneof(
        { weight: 20, arbitrary: fc.integer({ min, max: Math.max(min, Math.min(bound("maximum", 6), 6)) }) },
        { weight: 1, arbitrary: oddNumber },
      );
    }
    case "number":
      return fc.oneof(
        { weight: 8, arbitrary: fc.double({ min: 0, max: 2, noNaN: true }) },
        { weight: 1, arbitrary: oddNumber },
      );
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array": {
      const items = fc.array(fitting(schema.items), { maxLength: 4 });
      return Array.isArray(schema.prefixItems) ? fc.tuple(...schema.prefixItems.map(fitting)) : items;
    }
    case "object":
      return fittingObject(schema);
    default:
      return anything;
  }
}

function fittingObject(schema: Json): fc.Arbitrary<unknown> {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const names = Object.keys(properties);
  const some = fc.subarray(names).map((given) => new Set([...given.slice(0, 4), ...required]));
  return some.chain((given) =>
    fc.record(
      Object.fromEntries(
        [...given].filter((name) => name in properties).map((name) => [name, fitting(properties[name])]),
      ),
    ),
  );
}

/** The same with one part wrong. */
function spoilt(value: unknown): fc.Arbitrary<unknown> {
  if (!isObject(value)) return anything;
  const names = Object.keys(value);
  const key = fc.oneof(
    fc.constantFrom("__proto__", "constructor", "k".repeat(20_000), "", "toString"),
    fc.string(),
    fc.constantFrom("x", ...names),
  );
  return fc.tuple(key, anything).map(([name, other]) => Object.fromEntries([...Object.entries(value), [name, other]]));
}

/** A body that asks for an id has one that is there, sometimes. */
function withId(value: Json, id: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  const given = id.map((one) => ({ ...value, input_file_id: one, completion_window: "1h" }));
  return fc.oneof({ weight: 1, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: given });
}

const bytes: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((some) => new Uint8Array(some)),
  fc.constant(Uint8Array.from([0x22, 0xff, 0xfe, 0x22])),
  fc.constant(Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])),
  fc.constant(new Uint8Array(1_100_000).fill(0x20)),
);
const badText = fc.constantFrom(
  "",
  "{",
  "[".repeat(100_000),
  '{"prompt": 1e999}',
  "\ufeff{}",
  "null",
  '{"a":'.repeat(20_000),
  "undefined",
  "{}{}",
  '"\\ud800"',
);

const headers = fc.oneof(
  { weight: 8, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Record<string, string>>(
      { "content-type": "text/plain" },
      { "content-type": "multipart/form-data; boundary=" },
      { "content-encoding": "gzip" },
      { authorization: "Bearer " },
      { authorization: `Bearer ${"k".repeat(8_000)}` },
      { "x-request-id": "../../etc" },
      { "x-request-id": "x".repeat(6_000) },
      { accept: "text/event-stream" },
      { "accept-encoding": "br, gzip, zstd, identity;q=0" },
      { origin: "null", "access-control-request-method": "PATCH" },
      { "x-forwarded-for": "1".repeat(2_000), "cf-connecting-ip": "not an address" },
      { cookie: "a=".repeat(3_000) },
      { range: "bytes=0-1", "if-none-match": "*" },
      { upgrade: "h2c" },
    ),
  },
);

/** A form that fits an upload, and forms that nearly do. */
const forms: fc.Arbitrary<Pick<FuzzRequest, "body" | "headers">> = fc
  .record({
    boundary: fc.constantFrom("b", "b".repeat(70), "b b", "--", ""),
    named: fc.constantFrom("b", "c", ""),
    purpose: fc.constantFrom("batch", "batch", "fine-tune", "x".repeat(5_000)),
    seconds: fc.constantFrom(undefined, "3600", "1", "1e9", "soon"),
    filename: fc.constantFrom("a.jsonl", "../../etc/passwd", "f".repeat(2_000), 'a"; x="', "日本.jsonl"),
    lines: fc.array(
      fc.oneof(
        fc.constantFrom(
          '{"prompt": "apples", "chosen": "a", "rejected": "b"}',
          '{"custom_id": "1", "method": "POST", "url": "/v1/completions", "body": {"prompt": "apples", "max_tokens": 2}}',
          '{"custom_id": "1", "method": "GET", "url": "/", "body": {}}',
          "",
          "\r",
        ),
        badText,
        shortText,
      ),
      { maxLength: 6 },
    ),
    times: fc.constantFrom(1, 1, 2, 20),
    isWhole: fc.constantFrom(true, true, true, false),
  })
  .map(({ boundary, named, purpose, seconds, filename, lines, times, isWhole }) => {
    const part = (head: string, text: string) =>
      `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
    const body = [
      part('name="purpose"', purpose),
      seconds === undefined ? "" : part('name="expires_after[seconds]"', seconds),
      part(`name="file"; filename="${filename}"`, lines.join("\n")).repeat(times),
      isWhole ? `--${boundary}--\r\n` : "",
    ].join("");
    return { body, headers: { "content-type": `multipart/form-data; boundary=${named === "b" ? boundary : named}` } };
  });

/**
 * Any request about the routes of the document at /openapi.json. `ids` stand where a path asks for one, and where a body does: what is
 * there, so that more is reached than what says that there is nothing.
 */
export function fuzzRequests(document: unknown, ids: readonly string[] = []): fc.Arbitrary<FuzzRequest> {
  const paths = isObject(document) && isObject(document.paths) ? document.paths : {};
  const posts: [string, unknown][] = Object.entries(paths).flatMap(([path, item]): [string, unknown][] => {
    const post = isObject(item) ? item.post : undefined;
    const content = isObject(post) ? Object(post.requestBody).content : undefined;
    // a form is no JSON, which its route is then to say
    return isObject(post) ? [[path, content?.["application/json"]?.schema]] : [];
  });
  const uploads = Object.keys(paths).filter((path) => path === "/v1/files");
  const id = fc.constantFrom(...ids, "none", "..", "%2e%2e", "batch_0", "x".repeat(300));
  const known = fc.constantFrom(...posts);
  const body = known.chain(([path, schema]) =>
    fitting(schema)
      .chain((value) => fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, { weight: 3, arbitrary: spoilt(value) }))
      .chain((value) => (isObject(value) && "input_file_id" in value ? withId(value, id) : fc.constant(value)))
      .map((value): [string, string | Uint8Array<ArrayBuffer>] => [path, JSON.stringify(value) ?? "null"]),
  );
  const raw = fc.tuple(known, fc.oneof(bytes, badText)).map(([[path], some]): [string, typeof some] => [path, some]);
  const post = fc.tuple(fc.oneof({ weight: 8, arbitrary: body }, { weight: 1, arbitrary: raw }), headers, id).map(
    ([[path, some], more, one]): FuzzRequest => ({
      method: "POST",
      path: path.replace("{id}", one),
      headers: more,
      body: some,
    }),
  );
  const upload = fc.constantFrom(...uploads).chain((path) => forms.map((form) => ({ method: "POST", path, ...form })));
  const oddPath = fc.oneof(
    fc.constantFrom(
      ...Object.keys(paths),
      "//",
      "/%00",
      "/%ff",
      "/..%2f",
      "/generate/",
      "/GENERATE",
      "/v1/models/%2e%2e",
      `/${"x".repeat(4_000)}`,
    ),
    fc.webPath(),
  );
  const other = fc
    .tuple(
      fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"),
      oddPath,
      fc.oneof(
        fc.webQueryParameters(),
        fc.constantFrom("limit=1", "limit=0", "limit=1e9&after=x", "order=asc", "after="),
      ),
      headers,
      id,
    )
    .map(
      ([method, path, query, more, one]): FuzzRequest => ({
        method,
        path: `${path.startsWith("/") ? "" : "/"}${path.replace("{id}", one)}?${query}`,
        headers: more,
        body: undefined,
      }),
    );
  return fc.oneof(
    { weight: 9, arbitrary: post },
    { weight: 1, arbitrary: other },
    ...(uploads.length > 0 ? [{ weight: 1, arbitrary: upload }] : []),
  );
}
