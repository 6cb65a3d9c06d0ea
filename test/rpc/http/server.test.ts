import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createLog, silentLog } from "../../../guest/core/log.ts";
import { Scope } from "../../../guest/core/scope.ts";
import { defaultHttpLimits, type HttpLimits } from "../../../guest/rpc/http/limits.ts";
import { type HttpHandler, serveHttp } from "../../../guest/rpc/http/server.ts";

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

interface Setting {
  readonly handler?: HttpHandler;
  readonly limits?: Partial<HttpLimits>;
  readonly host?: string;
  readonly log?: typeof silentLog;
}

async function serve({ handler = echo, limits = {}, host = "127.0.0.1", log = silentLog }: Setting = {}) {
  const options = { listen: { host, port: 0 }, handler, limits: { ...defaultHttpLimits, ...limits }, log, scope };
  const { port } = await serveHttp(options);
  return { port, url: `http://127.0.0.1:${port}` };
}

const echo: HttpHandler = ({ method, path, query, body }) => ({
  status: 200,
  contentType: "text/plain",
  body: `${method} ${path} ?${query} ${Buffer.from(body).toString()}`,
});

/** Sends bytes as they are and reads until the server closes. */
async function exchange(port: number, request: string, host = "127.0.0.1"): Promise<string> {
  const socket: Socket = connect({ host, port });
  socket.setEncoding("utf8").on("error", () => {});
  await once(socket, "connect");
  socket.write(request);
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test("hands over method, raw path, raw query and body", async () => {
  const { url } = await serve();
  const answer = await fetch(`${url}/cdh/resource/a%2Fb/c?x=1?y=%20`, { method: "PUT", body: "hello" });
  expect(await answer.text()).toBe("PUT /cdh/resource/a%2Fb/c ?x=1?y=%20 hello");
  expect(answer.headers.get("content-type")).toBe("text/plain");
});

test("sends no content type of its own", async () => {
  const { url } = await serve({ handler: () => ({ status: 404, body: "URL NOT FOUND" }) });
  const answer = await fetch(url);
  expect([answer.status, await answer.text(), answer.headers.get("content-type")]).toEqual([
    404,
    "URL NOT FOUND",
    null,
  ]);
});

test("keeps connections open for the next request", async () => {
  const { port } = await serve();
  const one = `GET /1 HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`;
  const two = `GET /2 HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`;
  expect(await exchange(port, one + two)).toMatch(/GET \/1 [\s\S]*GET \/2 /);
});

test("a handler that throws is a 500 that tells nothing, and the log has it", async () => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const { url } = await serve({ handler: () => Promise.reject(new Error("the key is 0xdeadbeef")), log });
  const answer = await fetch(url);
  expect([answer.status, await answer.text()]).toEqual([500, "Internal Server Error"]);
  expect(lines.join()).toContain("0xdeadbeef");
});

test("a client that goes away aborts the signal of its request", async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const { port } = await serve({
    handler: ({ signal }) => {
      started.resolve(signal);
      return new Promise(() => {});
    },
  });
  const socket = connect({ host: "127.0.0.1", port });
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const signal = await started.promise;
  socket.destroy();
  await vi.waitFor(() => expect(signal.aborted).toBe(true));
});

describe("threat 124: who asks", () => {
  test.each([
    ["a foreign Host", "Host: evil.example"],
    ["a Host that begins like ours", "Host: localhost.evil.example"],
    ["an empty Host", "Host: "],
    ["a cross-origin request", "Host: localhost\r\nOrigin: https://evil.example"],
    ["an opaque origin", "Host: localhost\r\nOrigin: null"],
  ])("%s gets 403 and reaches no handler", async (_what, headers) => {
    const handler = vi.fn(echo);
    const { port } = await serve({ handler });
    expect(await exchange(port, `POST /aa/aael HTTP/1.1\r\n${headers}\r\nContent-Length: 0\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 403 [\s\S]*\r\n\r\nForbidden$/,
    );
    expect(handler).not.toHaveBeenCalled();
  });

  test.each(["localhost", "LOCALHOST:8006", "127.0.0.1", "127.0.0.1:8006", "[::1]:8006"])(
    "Host %s passes",
    async (host) => {
      const { port } = await serve();
      expect(await exchange(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1.1 200/,
      );
    },
  );

  test("threat 123: a peer that is not on the loopback interface gets 403", async (context) => {
    const outer = Object.values(networkInterfaces())
      .flat()
      .find((net) => net?.family === "IPv4" && !net.internal);
    if (outer === undefined) return context.skip("this machine has no address besides loopback");
    const { port } = await serve({ host: "0.0.0.0" });
    const request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(await exchange(port, request, outer.address)).toMatch(/^HTTP\/1.1 403 [\s\S]*Forbidden$/);
  });
});

describe("what is asked", () => {
  test.each([
    ["two Host headers", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400],
    ["no Host header", "GET / HTTP/1.1\r\n\r\n", 400],
    ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 400],
    ["an absolute URL", "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
    ["an asterisk", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
    ["garbage", "\x00\x01\x02\r\n\r\n", 400],
    [
      "length and chunks together",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["too long a header", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["too long a body", `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n${"x".repeat(200)}`, 413],
  ])("%s is refused", async (_what, request, status) => {
    const handler = vi.fn(echo);
    const { port } = await serve({ handler, limits: { maxBodyBytes: 100 } });
    expect(await exchange(port, request)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(handler).not.toHaveBeenCalled();
  });

  test("a request that is never completed loses its connection", async () => {
    const { port } = await serve({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    expect(await exchange(port, "GET / HTTP/1.1\r\nHost: loc")).toMatch(/^HTTP\/1.1 408 /);
  });
});
