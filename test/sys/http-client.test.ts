import { generateKeyPairSync } from "node:crypto";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpClient, type HttpRequest } from "../../guest/sys/http-client.ts";
import { HttpError } from "../../guest/sys/http-error.ts";
import { createCertificate, createServerIdentity, toPem } from "../attest/certificates.ts";
import { eventually } from "./support.ts";

const servers: (http.Server | net.Server)[] = [];
const sockets = new Set<net.Socket>();
let client: HttpClient;

beforeEach(() => {
  client = new HttpClient();
});

afterEach(async () => {
  client.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: http.Server | net.Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: net.Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function serve(handler: http.RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(http.createServer(handler))}`;
}

async function failure(request: HttpRequest, by = client): Promise<HttpError> {
  const error: unknown = await by.request(request).then(
    (response) => response.bytes(),
    (thrown: unknown) => thrown,
  );
  if (error instanceof HttpError) return error;
  throw error;
}

async function read(incoming: http.IncomingMessage): Promise<string> {
  return Buffer.concat(await incoming.toArray()).toString();
}

describe("requests and answers", () => {
  test("method, headers and body arrive; status, headers and body come back", async () => {
    const origin = await serve(async (request, response) => {
      const body = await read(request);
      response.writeHead(418, { "X-Answer": "yes", "Set-Cookie": ["a=1", "b=2"] });
      response.end(`${request.method} ${request.url} ${request.headers["x-question"]} ${body}`);
    });
    const response = await client.request({
      url: `${origin}/path?query=1`,
      method: "POST",
      headers: { "X-Question": "really" },
      body: "content",
    });
    expect(response.status).toBe(418);
    expect(response.headers.get("x-answer")).toBe("yes");
    expect(response.headers.get("set-cookie")).toBe("a=1, b=2");
    expect((await response.bytes()).toString()).toBe("POST /path?query=1 really content");
  });

  test("connections are kept and used again", async () => {
    const origin = await serve((_, response) => response.end("ok"));
    for (let round = 0; round < 5; round++) await (await client.request({ url: origin })).bytes();
    expect(sockets.size).toBe(1);
  });

  test("a kept connection that the server closed meanwhile is no failure", async () => {
    let closing = false;
    const origin = await serve((request, response) => {
      if (closing && request.socket === [...sockets][0]) return request.socket.resetAndDestroy();
      return response.end("ok");
    });
    await (await client.request({ url: origin })).bytes();
    closing = true;
    expect((await (await client.request({ url: origin })).bytes()).toString()).toBe("ok");
    expect(sockets.size).toBe(2);
  });

  test("nor are all that were kept", async () => {
    const both = Promise.withResolvers<void>();
    let waiting = 0;
    let closing = false;
    const origin = await serve(async (request, response) => {
      if (closing && [...sockets].indexOf(request.socket) < 2) return void request.socket.resetAndDestroy();
      if (++waiting === 2) both.resolve();
      await both.promise;
      response.end("ok");
    });
    await Promise.all([1, 2].map(async () => (await client.request({ url: origin })).bytes()));
    closing = true;
    expect((await (await client.request({ url: origin })).bytes()).toString()).toBe("ok");
    expect(sockets.size).toBe(3);
  });

  test("but what isn't idempotent is not sent twice", async () => {
    let received = 0;
    const origin = await serve((request, response) => {
      received++;
      return received > 1 ? request.socket.resetAndDestroy() : response.end("ok");
    });
    await (await client.request({ url: origin })).bytes();
    expect(await failure({ url: origin, method: "POST", body: "x" })).toMatchObject({ stage: "request" });
    expect(received).toBe(2);
  });

  test("a body is streamed as fast as it is read, and no faster", async () => {
    let sent = 0;
    const origin = await serve((_, response) => {
      const piece = Buffer.alloc(65_536);
      const write = (): void => {
        while (sent < 64 << 20) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once("drain", write);
        }
        response.end();
      };
      write();
    });
    const response = await client.request({ url: origin });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBeLessThan(32 << 20);
    let total = 0;
    for await (const piece of response.stream) total += piece.length;
    expect(total).toBe(64 << 20);
  });

  test("a body over the limit is refused", async () => {
    const origin = await serve((_, response) => response.end("0123456789"));
    expect((await (await client.request({ url: origin })).bytes(10)).toString()).toBe("0123456789");
    await expect((await client.request({ url: origin })).bytes(9)).rejects.toMatchObject({
      code: "resource-exhausted",
    });
  });

  test("nothing of the environment is used as a proxy", async () => {
    const origin = await serve((_, response) => response.end("direct"));
    for (const name of ["http_proxy", "HTTP_PROXY", "NODE_USE_ENV_PROXY"]) process.env[name] = "http://127.0.0.1:1";
    try {
      expect((await (await client.request({ url: origin })).bytes()).toString()).toBe("direct");
    } finally {
      for (const name of ["http_proxy", "HTTP_PROXY", "NODE_USE_ENV_PROXY"]) delete process.env[name];
    }
  });

  test("URLs that can't be meant", async () => {
    for (const url of ["ftp://host/", "nonsense", "http://user:password@host/", "file:///etc/passwd"])
      await expect(client.request({ url })).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(client.request({ url: "http://127.0.0.1/", headers: { "x-a": "b\r\nx-c: d" } })).rejects.toThrow();
  });
});

describe("redirects", () => {
  async function redirecting(to: (request: http.IncomingMessage) => string, status = 302): Promise<string> {
    return serve((request, response) => response.writeHead(status, { location: to(request) }).end("moved"));
  }

  test("are an answer unless allowed, and each is asked for", async () => {
    const target = await serve((_, response) => response.end("there"));
    const origin = await redirecting(() => `${target}/x`);
    expect((await client.request({ url: origin })).status).toBe(302);
    const asked: string[] = [];
    const allowRedirect = (url: URL): boolean => asked.push(url.href) > 0;
    const response = await client.request({ url: origin, allowRedirect });
    expect((await response.bytes()).toString()).toBe("there");
    expect(response.url.href).toBe(`${target}/x`);
    expect(asked).toEqual([`${target}/x`]);
    expect((await failure({ url: origin, allowRedirect: () => false })).message).toMatch(
      /redirects to .*: not allowed/,
    );
  });

  test("what can't be followed is an answer, too, or a failure that keeps no connection", async () => {
    const origin = await redirecting(() => "http://");
    const answer = await client.request({ url: origin });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://"]);
    answer.discard();
    const error = await failure({ url: origin, allowRedirect: () => true });
    expect(error).toMatchObject({ stage: "redirect", message: expect.stringContaining("is no URL") });
    await eventually(() => [...sockets].every((socket) => socket.destroyed));
  });

  test("credentials stay with the server they are for", async () => {
    const seen: (string | undefined)[] = [];
    const target = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie, request.headers["x-other"]?.toString());
      response.end();
    });
    const origin = await redirecting(() => target);
    const headers = { Authorization: "Bearer secret", cookie: "session=1", "X-Other": "fine" };
    await client.request({ url: origin, headers, allowRedirect: () => true });
    expect(seen).toEqual([undefined, undefined, "fine"]);
  });

  test("a loop ends, a way back from TLS is none, and other schemes aren't followed", async () => {
    const loop = await redirecting((request) => `${request.url}x`);
    expect((await failure({ url: loop, allowRedirect: () => true })).message).toMatch(/too many redirects/);
    const file = await redirecting(() => "file:///etc/passwd");
    await expect(client.request({ url: file, allowRedirect: () => true })).rejects.toMatchObject({
      code: "invalid-argument",
    });
    const identity = createServerIdentity();
    const options = { key: identity.privateKey, cert: identity.certificate };
    const secure = https.createServer(options, (_, response) => response.writeHead(302, { location: loop }).end());
    const port = await listen(secure);
    const trusting = new HttpClient({ trust: { kind: "only", certificates: [identity.certificate] } });
    const error = await failure({ url: `https://127.0.0.1:${port}`, allowRedirect: () => true }, trusting);
    expect(error.message).toMatch(/would give up TLS/);
    trusting.close();
  });

  test("303 makes a GET without a body, 307 keeps both", async () => {
    const seen: string[] = [];
    const target = await serve(async (request, response) => {
      seen.push(`${request.method} ${await read(request)}`);
      response.end();
    });
    for (const status of [303, 307]) {
      const origin = await redirecting(() => target, status);
      await client.request({ url: origin, method: "POST", body: "body", allowRedirect: () => true });
    }
    expect(seen).toEqual(["GET ", "POST body"]);
  });
});

describe("scenario N3: an error names the server and says how far it came", () => {
  test("the name can't be resolved", async () => {
    const error = await failure({ url: "https://registry.invalid/v2/" });
    expect(error.stage).toBe("resolve");
    expect(error.message).toMatch(/^the name of registry\.invalid:443 can't be resolved: /);
  });

  test("nobody listens", async () => {
    const port = await listen(net.createServer());
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const error = await failure({ url: `http://127.0.0.1:${port}` });
    expect(error).toMatchObject({ stage: "connect", code: "unavailable" });
    expect(error.message).toMatch(new RegExp(`^can't connect to 127.0.0.1:${port}: .*ECONNREFUSED`));
    const named = await failure({ url: `http://localhost:${port}` });
    expect(named.stage).toBe("connect");
    expect(named.message).toContain("ECONNREFUSED");
  });

  test("the certificate isn't trusted, or is another server's", async () => {
    const identity = createServerIdentity("other.example", ["other.example"]);
    const options = { key: identity.privateKey, cert: identity.certificate };
    const port = await listen(https.createServer(options, (_, response) => response.end("secret")));
    const unknown = await failure({ url: `https://127.0.0.1:${port}` });
    expect(unknown).toMatchObject({ stage: "tls" });
    expect(unknown.message).toMatch(new RegExp(`^TLS with 127.0.0.1:${port} failed: self-signed certificate`));
    const trusting = new HttpClient({ trust: { kind: "only", certificates: [identity.certificate] } });
    const wrongName = await failure({ url: `https://127.0.0.1:${port}` }, trusting);
    trusting.close();
    expect(wrongName.stage).toBe("tls");
    expect(wrongName.message).toMatch(/altnames|IP/);
  });

  test("a certificate of a given authority is trusted, beside the public ones when told so", async () => {
    const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const root = toPem(createCertificate({ commonName: "authority", ...authority, isAuthority: true }));
    const issued = createCertificate({
      commonName: "localhost",
      publicKey: server.publicKey,
      issuer: { commonName: "authority", privateKey: authority.privateKey },
      alternativeNames: ["127.0.0.1"],
    });
    const key = server.privateKey.export({ format: "pem", type: "pkcs8" });
    const port = await listen(https.createServer({ key, cert: toPem(issued) }, (_, response) => response.end("hello")));
    for (const kind of ["only", "public-and"] as const) {
      const trusting = new HttpClient({ trust: { kind, certificates: [root] } });
      expect((await (await trusting.request({ url: `https://127.0.0.1:${port}` })).bytes()).toString()).toBe("hello");
      trusting.close();
    }
    expect((await failure({ url: `https://127.0.0.1:${port}` })).stage).toBe("tls");
  });

  test("what answers is no TLS, or no HTTP", async () => {
    const origin = await serve((_, response) => response.end());
    expect((await failure({ url: origin.replace("http:", "https:") })).stage).toBe("tls");
    const port = await listen(net.createServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n")));
    expect(await failure({ url: `http://127.0.0.1:${port}` })).toMatchObject({ stage: "request" });
  });

  test("no answer in time, and a body that stalls", async () => {
    const silent = await listen(net.createServer());
    const error = await failure({ url: `http://127.0.0.1:${silent}`, timeoutMs: 50 });
    expect(error).toMatchObject({ stage: "request", code: "deadline-exceeded" });
    expect(error.message).toBe(`127.0.0.1:${silent}: the answer took over 50 ms`);
    const stalling = await serve((_, response) => response.write("beginning"));
    const response = await client.request({ url: stalling, timeoutMs: 50 });
    await expect(response.bytes()).rejects.toMatchObject({ stage: "response", code: "deadline-exceeded" });
    const slowTls = await failure({ url: `https://127.0.0.1:${silent}`, timeoutMs: 50 });
    expect(slowTls).toMatchObject({ stage: "tls", code: "deadline-exceeded" });
  });

  test("a body that breaks off", async () => {
    const origin = await serve((_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("beginning");
      setTimeout(() => response.destroy(), 20);
    });
    const response = await client.request({ url: origin });
    await expect(response.bytes()).rejects.toMatchObject({ name: "HttpError", stage: "response" });
  });

  test("headers without end are refused", async () => {
    const port = await listen(
      net.createServer((socket) => {
        socket.on("error", () => {});
        socket.write("HTTP/1.1 200 OK\r\n");
        for (let count = 0; count < 2000; count++) socket.write(`x-${count}: ${"y".repeat(100)}\r\n`);
      }),
    );
    expect((await failure({ url: `http://127.0.0.1:${port}` })).stage).toBe("request");
  });
});

describe("cancelling", () => {
  test("before the request, before the answer, and in its body", async () => {
    const aborted = AbortSignal.abort();
    let requests = 0;
    const origin = await serve((request, response) => {
      requests++;
      if (request.url === "/body") response.write("beginning");
    });
    expect(await failure({ url: origin, signal: aborted })).toMatchObject({ code: "cancelled" });
    expect(requests).toBe(0);

    const waiting = new AbortController();
    const answer = failure({ url: origin, signal: waiting.signal });
    await eventually(() => requests === 1);
    waiting.abort();
    expect(await answer).toMatchObject({ code: "cancelled" });

    const reading = new AbortController();
    const response = await client.request({ url: `${origin}/body`, signal: reading.signal });
    const body = response.bytes();
    reading.abort();
    await expect(body).rejects.toMatchObject({ code: "cancelled" });
  });

  test("a discarded body sets the connection free", async () => {
    const origin = await serve((_, response) => response.write("endless"));
    const response = await client.request({ url: origin });
    response.discard();
    await eventually(() => [...sockets].every((socket) => socket.destroyed));
  });
});
