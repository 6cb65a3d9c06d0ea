import { describe, expect, test } from "vitest";
import { formatReference, parseReference } from "../../guest/oci/reference.ts";
import { parseRegistriesConfig, planSources } from "../../guest/oci/registries.ts";
import { buildImage, buildLayer } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

const plan = (reference: string, config: unknown) =>
  planSources(parseReference(reference), parseRegistriesConfig(config)).map(
    (source) => `${source.plainHttp ? "http" : "https"} ${formatReference(source.reference)}`,
  );
const pinned = `@sha256:${"a".repeat(64)}`;

describe("K12: mirrors and remapping", () => {
  test("the worked example of spec/image-pull.md 14.3", () => {
    const config = {
      "unqualified-search-registries": ["docker.io", "quay.io"],
      registry: [
        {
          prefix: "docker.io/library",
          location: "mirror.local:5000/lib",
          mirror: [{ location: "m.local/lib", insecure: true }],
        },
      ],
    };
    expect(plan("busybox", config)).toEqual([
      "http m.local/lib/busybox:latest",
      "https mirror.local:5000/lib/busybox:latest",
      "https quay.io/busybox:latest",
    ]);
  });

  test("without configuration an image comes from where it says; loopback has no TLS", () => {
    expect(plan("quay.io/a/b", {})).toEqual(["https quay.io/a/b:latest"]);
    expect(plan("127.0.0.1:5000/a", {})).toEqual(["http 127.0.0.1:5000/a:latest"]);
    expect(plan("localhost.evil.example/a", {})).toEqual(["https localhost.evil.example/a:latest"]);
  });

  test("prefixes match whole components from the start, the longest wins, of equals the last", () => {
    const rule = (prefix: string, location: string) => ({ prefix, location });
    const config = {
      registry: [
        rule("quay.io/team", "one.local"),
        rule("quay.io", "two.local"),
        rule("*.example.com", "three.local"),
        rule("quay.io", "four.local"),
      ],
    };
    expect(plan("quay.io/team/x", config)).toEqual(["https one.local/x:latest"]);
    expect(plan("quay.io/teams/x", config)).toEqual(["https four.local/teams/x:latest"]);
    expect(plan("a.b.example.com/x", config)).toEqual(["https three.local/x:latest"]);
    expect(plan("evil.local/quay.io/team/x", config)).toEqual(["https evil.local/quay.io/team/x:latest"]);
    expect(plan("example.com/x", config)).toEqual(["https example.com/x:latest"]);
  });

  test("a digest stays with the reference wherever it goes", () => {
    const config = {
      "unqualified-search-registries": ["quay.io"],
      registry: [{ location: "quay.io", mirror: [{ location: "m.local/q" }] }],
    };
    expect(plan(`busybox:1${pinned}`, config)).toEqual([
      `https m.local/q/busybox:1${pinned}`,
      `https quay.io/busybox:1${pinned}`,
    ]);
  });

  test("blocked registries", () => {
    const blocked = expect.objectContaining({
      kind: "policy",
      message: "Image quay.io/x:latest is blocked by registry rule.",
    });
    expect(() => plan("quay.io/x", { registry: [{ prefix: "quay.io", blocked: true }] })).toThrow(blocked);
    expect(() => plan("busybox", { "unqualified-search-registries": [] })).toThrow(
      expect.objectContaining({ kind: "policy" }),
    );
  });

  test.each([
    [{ registry: [{}] }],
    [{ registry: [{ prefix: "*.a.b" }] }],
    [{ registry: [{ prefix: "a.b", mirror: [{}] }] }],
    [{ registry: [{ prefix: "a.b", mirror: [{ location: "" }] }] }],
    [{ registry: {} }],
    [{ registry: [{ prefix: "a.b", blocked: "yes" }] }],
    [[]],
  ])("refuses %j", (config) => {
    expect(() => parseRegistriesConfig(config)).toThrow(expect.objectContaining({ kind: "reference" }));
  });

  test("a failing mirror is skipped, the failures of all are reported", async () => {
    await using mirror = await startRegistry();
    let host = "";
    const registries = {
      searchRegistries: ["docker.io"],
      get rules() {
        return [
          {
            prefix: host,
            location: "",
            insecure: false,
            blocked: false,
            mirrors: [{ location: mirror.host, insecure: true }],
          },
        ];
      },
    };
    await using fixture = await startPullFixture({ registries });
    host = fixture.registry.host;
    const reference = fixture.registry.push(
      "demo/a",
      "v1",
      buildImage([buildLayer([{ name: "a", content: "origin" }])]),
    );
    expect(readText((await fixture.pull(reference)).rootfsPath, "a")).toBe("origin");
    expect(mirror.requests).toEqual(["GET /v2/demo/a/manifests/v1"]);
    const both = new RegExp(
      `^Failed to pull image ${host}/no/x:latest from all .*: image: ${mirror.host}/no/x:latest, error: .*404.*\nimage: ${host}/no/x:latest, error: .*404`,
    );
    await expect(fixture.pull(`${host}/no/x`)).rejects.toThrow(both);
  });
});
