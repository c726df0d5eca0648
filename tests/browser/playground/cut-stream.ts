// A connection to a worker that breaks in the middle of a stream, at the same place on every machine.

import { connect, createServer, type Socket } from "node:net";
import getPort from "get-port";

/** Passes everything on to the worker at `url`, until so many steps were streamed: then all connections end, and no new one is taken. */
export async function cutAfterSteps(url: string, steps: number): Promise<{ url: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const worker = connect(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [client, worker]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    }
    client.pipe(worker);
    let text = "";
    worker.on("data", (chunk: Buffer) => {
      const sent = text.length;
      text += chunk.toString("latin1");
      const end = endOfStep(text, steps);
      if (end !== undefined) worker.pause();
      client.write(Buffer.from(text.slice(sent, end), "latin1"), () => {
        if (end !== undefined) close();
      });
    });
    worker.on("end", () => client.end());
  });
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const port = await getPort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${port}`, close };
}

/** Where the event of that step ends, in the bytes of a connection. */
function endOfStep(text: string, step: number): number | undefined {
  let at = text.indexOf("text/event-stream");
  if (at < 0) return undefined;
  for (let seen = 0; seen < step; seen++) {
    at = text.indexOf("event: step", at) + 1;
    if (at === 0) return undefined;
  }
  const end = text.indexOf("\n\n", at);
  return end < 0 ? undefined : end + 2;
}
