// A Hub on this machine: the URLs and headers of huggingface.co that a model download meets, with faults on request.
// Large files (model*.safetensors) are LFS: their /resolve redirects to a store that serves ranges.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "../../../json-answer.ts";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Answers a request itself (true) or leaves it to the server. */
export type Fault = (path: string, request: IncomingMessage, response: ServerResponse) => boolean;

export interface HubServer {
  url: string;
  files: Map<string, Buffer>;
  requests: { path: string; range: string | undefined; authorization: string | undefined }[];
  fault: Fault;
  close(): Promise<void>;
}

export const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const gitSha1 = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const isLarge = (name: string) => name.endsWith(".safetensors");

export async function startHubServer(id: string, files: Record<string, string | Buffer>): Promise<HubServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://hub").pathname);
    hub.requests.push({ path, range: request.headers.range, authorization: request.headers.authorization });
    if (!hub.fault(path, request, response)) answer(path, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always one
  const hub: HubServer = {
    url: `http://127.0.0.1:${port}`,
    files: new Map(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)])),
    requests: [],
    fault: () => false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };

  function answer(path: string, request: IncomingMessage, response: ServerResponse): true {
    if (path === `/api/models/${id}/revision/main` || path === `/api/models/${id}/revision/${COMMIT}`) {
      return json(response, 200, {
        _id: "1",
        id,
        sha: COMMIT,
        lastModified: "2024-01-01T00:00:00.000Z",
        private: false,
      });
    }
    if (path.startsWith(`/api/models/${id}/revision/`)) {
      return json(response, 404, { error: "Invalid rev id" }, { "x-error-code": "RevisionNotFound" });
    }
    if (path === `/api/models/${id}/tree/${COMMIT}`) return json(response, 200, [...hub.files].map(treeEntry));
    const resolve = `/${id}/resolve/${COMMIT}/`;
    const name = path.startsWith(resolve) ? path.slice(resolve.length) : path.replace(/^\/store\//, "");
    const bytes = hub.files.get(name);
    if (bytes === undefined)
      return json(response, 404, { error: "Repository not found" }, { "x-error-code": "RepoNotFound" });
    if (path.startsWith(resolve) && isLarge(name)) {
      const linked = {
        "x-linked-size": String(bytes.length),
        "x-linked-etag": `"${sha256(bytes)}"`,
        "x-repo-commit": COMMIT,
      };
      response.writeHead(302, { location: `${hub.url}/store/${name}`, ...linked }).end();
      return true;
    }
    return sendBytes(request, response, bytes);
  }
  return hub;
}

/** The file, or the part of it that Range asks for. */
export function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Buffer): true {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from === 0 ? 200 : 206, { "content-length": bytes.length - from, ...range });
  response.end(bytes.subarray(from));
  return true;
}

function treeEntry([path, bytes]: [string, Buffer]): unknown {
  const entry = { type: "file", path, size: bytes.length };
  if (!isLarge(path)) return { ...entry, oid: gitSha1(bytes) };
  const pointer = Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`,
  );
  return {
    ...entry,
    oid: gitSha1(pointer),
    lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: pointer.length },
  };
}
