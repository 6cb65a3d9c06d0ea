import { describe, expect, test } from "vitest";
import { defaultImageLimits } from "../../guest/oci/limits.ts";
import { parseReference } from "../../guest/oci/reference.ts";
import { parseChallenges } from "../../guest/oci/registry/challenge.ts";
import { RegistryClient } from "../../guest/oci/registry/client.ts";
import { parseCredentials } from "../../guest/oci/registry/credentials.ts";
import type { RequestSender } from "../../guest/oci/registry/http.ts";
import { HttpClient } from "../../guest/sys/http-client.ts";
import { createServerIdentity } from "../attest/certificates.ts";
import { buildImage, buildLayer } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

const auth = (user: string, password: string) => ({ auth: Buffer.from(`${user}:${password}`).toString("base64") });
const file = (auths: unknown) => parseCredentials(Buffer.from(JSON.stringify({ auths })));
const image = () => buildImage([buildLayer([{ name: "a", content: "x" }])]);

describe("K10: private registries", () => {
  test.each(["basic", "token"] as const)("%s authentication with credentials from auth.json", async (kind) => {
    const account = { username: "pod", password: "s3cret:colon" };
    let host = "";
    const credentials = () => ({ ...account });
    await using fixture = await startPullFixture(
      { credentials: (reference) => (reference.registry === host ? credentials() : undefined) },
      { auth: { kind, ...account } },
    );
    host = fixture.registry.host;
    const { rootfsPath } = await fixture.pull(fixture.registry.push("private/a", "v1", image()));
    expect(readText(rootfsPath, "a")).toBe("x");
    if (kind === "token")
      expect(fixture.registry.requests).toContainEqual(
        expect.stringMatching(/^GET \/token\?service=test&scope=repository%3Aprivate%2Fa%3Apull$/),
      );
  });

  test.each(["basic", "token"] as const)(
    "wrong and missing credentials are told apart from a missing image (%s)",
    async (kind) => {
      const wrong = { username: "pod", password: "hunter2" };
      for (const credentials of [wrong, undefined]) {
        await using fixture = await startPullFixture(
          { credentials: () => credentials },
          { auth: { kind, username: "pod", password: "right" } },
        );
        const reference = fixture.registry.push("private/a", "v1", image());
        const failure = fixture.pull(reference);
        await expect(failure).rejects.toThrow(expect.objectContaining({ kind: "access" }));
        await expect(failure).rejects.not.toThrow(/hunter2|cG9kO/);
        expect(fixture.registry.requests.length).toBeLessThan(5);
      }
    },
  );

  test("a redirect gets no credentials on another origin", async () => {
    const account = { username: "pod", password: "secret" };
    await using elsewhere = await startRegistry();
    await using fixture = await startPullFixture(
      { credentials: () => account },
      { auth: { kind: "basic", ...account } },
    );
    const built = image();
    const reference = fixture.registry.push("private/a", "v1", built);
    elsewhere.push("private/a", "v1", built);
    const seen: (string | undefined)[] = [];
    elsewhere.intercept((request) => {
      seen.push(request.headers.authorization);
      return false;
    });
    fixture.registry.intercept((request, response) => {
      if (request.url?.includes("/blobs/") !== true) return false;
      response.writeHead(307, { location: `http://${elsewhere.host}${request.url}` }).end();
      return true;
    });
    await fixture.pull(reference);
    expect(seen).toEqual([undefined, undefined]);
  });

  test("a challenge from where a redirect led is not answered: the credentials are for the registry", async () => {
    const account = { username: "pod", password: "secret" };
    await using elsewhere = await startRegistry();
    await using fixture = await startPullFixture({ credentials: () => account });
    const reference = fixture.registry.push("private/a", "v1", image());
    elsewhere.intercept((_request, response) => {
      const realm = `http://${elsewhere.host}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}", Basic realm="x"` }).end();
      return true;
    });
    fixture.registry.intercept((request, response) => {
      response.writeHead(307, { location: `http://${elsewhere.host}${request.url}` }).end();
      return true;
    });
    await expect(fixture.pull(reference)).rejects.toThrow(expect.objectContaining({ kind: "access" }));
    expect(elsewhere.requests).toEqual(["GET /v2/private/a/manifests/v1"]);
  });

  test.each(["basic", "token"] as const)(
    "requests that are challenged at once all get their answer (%s)",
    async (kind) => {
      const account = { username: "pod", password: "secret" };
      await using fixture = await startPullFixture({}, { auth: { kind, ...account } });
      const { registry, sender } = fixture;
      const built = image();
      registry.push("private/a", "v1", built);
      const options = { host: registry.host, repository: "private/a", plainHttp: true, credentials: account };
      const client = new RegistryClient({ ...options, sender, limits: defaultImageLimits });
      const { signal } = new AbortController();
      const manifests = await Promise.all([1, 2, 3].map(() => client.manifest("v1", signal)));
      expect(manifests.map(({ digest }) => digest)).toEqual(Array(3).fill(built.manifest.digest));
    },
  );

  test("a token service without TLS is refused for a registry that has it", async () => {
    await using fixture = await startPullFixture();
    fixture.registry.intercept((_request, response) => {
      response.writeHead(401, { "www-authenticate": 'Bearer realm="file:///etc/passwd"' }).end();
      return true;
    });
    await expect(fixture.pull(`${fixture.registry.host}/a`)).rejects.toThrow(
      /token service whose address is not allowed/,
    );
  });
});

describe("registries with TLS", () => {
  const { certificate, privateKey } = createServerIdentity();
  const tls = { cert: certificate, key: privateKey };
  const trusting = () => new HttpClient({ trust: { kind: "only", certificates: [certificate] } });

  /** A fixture whose registry is known as registry.example; the client trusts its certificate, or the public ones only. */
  async function startTlsFixture(client = trusting()) {
    let host = "";
    const sender: RequestSender = {
      request: async (request) => {
        const url = String(request.url).replace("://registry.example/", `://${host}/`);
        return { ...(await client.request({ ...request, url })), url: new URL(request.url) };
      },
    };
    const fixture = await startPullFixture({ sender }, { tls });
    host = fixture.registry.host;
    fixture.registry.push("a", "v1", image());
    return { fixture, stop: () => client.close() };
  }

  test("a registry elsewhere is asked over TLS", async () => {
    const { fixture, stop } = await startTlsFixture();
    await using _fixture = fixture;
    expect(readText((await fixture.pull("registry.example/a:v1")).rootfsPath, "a")).toBe("x");
    stop();
  });

  test("N3: an unknown certificate is told apart from other failures", async () => {
    const { fixture, stop } = await startTlsFixture(new HttpClient());
    await using _fixture = fixture;
    await expect(fixture.pull("registry.example/a:v1")).rejects.toThrow(/registry error: TLS with .* failed/);
    stop();
  });

  test("TLS is not given up by a redirect or for a token", async () => {
    const { fixture, stop } = await startTlsFixture();
    await using _fixture = fixture;
    const answers = [
      { status: 307, headers: { location: "http://127.0.0.1:1/" } },
      { status: 401, headers: { "www-authenticate": 'Bearer realm="http://127.0.0.1:1/"' } },
    ];
    fixture.registry.intercept((_request, response) => {
      const { status = 500, headers } = answers.pop() ?? {};
      response.writeHead(status, headers).end();
      return true;
    });
    await expect(fixture.pull("registry.example/a:v1")).rejects.toThrow(/token service whose address is not allowed/);
    await expect(fixture.pull("registry.example/a:v1")).rejects.toThrow(/would give up TLS/);
    stop();
  });
});

describe("auth.json", () => {
  const hub = auth("hub", "1");
  const lookup = file({
    "https://index.docker.io/v1/": hub,
    "quay.io": auth("host", "2"),
    "quay.io/team": auth("team", "3"),
    "http://plain.example/v2/": { username: "plain", password: "4" },
  });

  test.each([
    ["busybox", "hub"],
    ["quay.io/other/x", "host"],
    ["quay.io/team/x", "team"],
    ["quay.io/team/deep/x", "team"],
    ["quay.io/teamwork/x", "host"],
    ["plain.example/x", "plain"],
    ["evil.quay.io/x", undefined],
    ["quay.io.evil/x", undefined],
  ])("%s uses %s", (reference, user) => {
    expect(lookup(parseReference(reference))?.username).toBe(user);
  });

  test("newlines around a password are not part of it", () => {
    expect(file({ "a.b": auth("u", "p:w\n") })(parseReference("a.b/x"))?.password).toBe("p:w");
  });

  test.each([
    ["no auths", {}],
    ["an entry without anything", { auths: { "a.b": {} } }],
    ["auth that is no base64", { auths: { "a.b": { auth: "***" } } }],
    ["auth without a colon", { auths: { "a.b": { auth: Buffer.from("user").toString("base64") } } }],
    ["auths as a list", { auths: [] }],
  ])("%s is refused and not quoted", (_name, value) => {
    const parse = () => parseCredentials(Buffer.from(JSON.stringify(value)));
    expect(parse).toThrow(expect.objectContaining({ kind: "access" }));
    expect(parse).not.toThrow(/\*\*\*|dXNlcg/);
  });
});

describe("WWW-Authenticate", () => {
  test("one or several challenges with quoted parameters", () => {
    const header = 'Bearer realm="https://a/token",service="s\\"q", scope="x,y", Basic realm="b"';
    expect(parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])).toEqual([
      ["bearer", { realm: "https://a/token", service: 's"q', scope: "x,y" }],
      ["basic", { realm: "b" }],
    ]);
  });

  test.each(["", ",,,", '"', "Bearer realm=", "x".repeat(10_000), "=".repeat(1000)])(
    "nonsense offers nothing: %.20s",
    (header) => {
      expect(parseChallenges(header).every(({ parameters }) => parameters.size === 0)).toBe(true);
    },
  );
});
