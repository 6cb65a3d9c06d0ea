import { describe, expect, test, vi } from "vitest";
import { describeFailure } from "../../../guest/core/errors.ts";
import { createLog } from "../../../guest/core/log.ts";
import { cloudSource } from "../../../guest/initdata/user-data/clouds.ts";
import { detectCloud } from "../../../guest/initdata/user-data/detect.ts";
import { type FetchClock, fetchUserData } from "../../../guest/initdata/user-data/fetch.ts";
import type { UserDataSource } from "../../../guest/initdata/user-data/source.ts";
import { HttpClient } from "../../../guest/sys/http-client.ts";
import { MetadataService } from "./metadata-service.ts";

const document = "#cloud-config\n\nwrite_files:\n  - path: /run/peerpod/scratch-space.marker\n";
const base64 = (text: string) => Buffer.from(text).toString("base64");
const paths = {
  azure: "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text",
  aws: "GET /latest/user-data",
  awsToken: "PUT /latest/api/token",
  gcp: "GET /computeMetadata/v1/instance/attributes/user-data",
} as const;

/** A clock that counts what was slept instead of sleeping. */
function fakeClock() {
  const slept: number[] = [];
  let now = 0;
  const clock: FetchClock = {
    now: () => now,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      slept.push(ms);
      now += ms;
    },
  };
  return { clock, slept };
}

async function fetched(source: UserDataSource, clock = fakeClock().clock, signal = new AbortController().signal) {
  const http = new HttpClient();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  try {
    const bytes = await fetchUserData(source, { http, log, signal }, { deadlineMs: 180_000, clock });
    return { text: Buffer.from(bytes).toString(), lines };
  } finally {
    http.close();
  }
}

describe("each cloud is asked in its own way", () => {
  test("Azure: a header, base64", async () => {
    await using service = await MetadataService.start();
    service.serve(paths.azure, `${base64(document)}\n`, ["metadata", "true"]);
    expect((await fetched(cloudSource("azure", service.origin))).text).toBe(document);
  });

  test("Google: a header, base64", async () => {
    await using service = await MetadataService.start();
    service.serve(paths.gcp, base64(document), ["metadata-flavor", "Google"]);
    expect((await fetched(cloudSource("gcp", service.origin))).text).toBe(document);
  });

  test("Alibaba: plain", async () => {
    await using service = await MetadataService.start();
    service.serve(paths.aws, document);
    expect((await fetched(cloudSource("alibaba", service.origin))).text).toBe(document);
    expect(service.asked).toEqual([paths.aws]);
  });

  test("Amazon: a session token, plain", async () => {
    await using service = await MetadataService.start();
    service.serve(paths.awsToken, "tok-1", ["x-aws-ec2-metadata-token-ttl-seconds", "60"]);
    service.serve(paths.aws, document, ["x-aws-ec2-metadata-token", "tok-1"]);
    expect((await fetched(cloudSource("aws", service.origin))).text).toBe(document);
    expect(service.asked).toEqual([paths.awsToken, paths.aws]);
  });

  test.each(["", "bad\r\nx-injected: 1"])(
    "Amazon: without a usable token (%j) the older way, and a line in the log",
    async (token) => {
      await using service = await MetadataService.start();
      if (token !== "") service.serve(paths.awsToken, token);
      service.answers.set(paths.aws, (request, response) => {
        const names = Object.keys(request.headers).filter((name) => name.startsWith("x-"));
        response.end(`${document}# ${names.join()}`);
      });
      const { text, lines } = await fetched(cloudSource("aws", service.origin));
      expect(text).toBe(`${document}# `);
      expect(lines.join("")).toContain("no metadata session token, asking without");
    },
  );

  test("an empty body is a VM without user data, not a failure", async () => {
    await using service = await MetadataService.start();
    service.serve(paths.azure, "");
    expect((await fetched(cloudSource("azure", service.origin))).text).toBe("");
    expect(service.asked).toHaveLength(1);
  });
});

describe("trying again", () => {
  test("a service that isn't ready is asked again, faster at first", async () => {
    await using service = await MetadataService.start();
    let asked = 0;
    service.answers.set(paths.aws, (_request, response) => {
      asked += 1;
      if (asked <= 7) response.writeHead(asked % 2 === 0 ? 404 : 503).end("not yet");
      else response.end(document);
    });
    const { clock, slept } = fakeClock();
    const { text, lines } = await fetched(cloudSource("alibaba", service.origin), clock);
    expect(text).toBe(document);
    expect(slept).toEqual([1000, 2000, 3000, 4000, 5000, 5000, 5000]);
    expect(lines.filter((line) => line.includes("user data not there yet"))).toHaveLength(7);
  });

  test("after three minutes it gives up with the last failure", async () => {
    await using service = await MetadataService.start();
    const { clock, slept } = fakeClock();
    const failure: unknown = await fetched(cloudSource("alibaba", service.origin), clock).catch((error) => error);
    expect(describeFailure(failure)).toMatch(
      /user data: alibaba has given none in 180 s \(attempts: \d+\): .*\/latest\/user-data answers 404/,
    );
    const total = slept.reduce((sum, ms) => sum + ms, 0);
    expect(total).toBeLessThan(180_000);
    expect(total).toBeGreaterThan(170_000);
  });

  test("when the time ends in the middle of an attempt, the reason is that of the one before", async () => {
    const time = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockReturnValueOnce(time.signal);
    let attempts = 0;
    const source: UserDataSource = {
      name: "aws",
      fetch: async ({ signal }) => {
        attempts += 1;
        if (attempts === 1) throw new Error("no route to host");
        time.abort();
        signal.throwIfAborted();
        return new Uint8Array();
      },
    };
    const failure: unknown = await fetched(source).catch((error: unknown) => error);
    expect(describeFailure(failure)).toBe("user data: aws has given none in 180 s (attempts: 2): no route to host");
  });

  test("nobody there is a failure like any other", async () => {
    const service = await MetadataService.start();
    const { origin } = service;
    await service[Symbol.asyncDispose]();
    await expect(fetched(cloudSource("alibaba", origin))).rejects.toThrow(
      expect.objectContaining({ code: "unavailable" }),
    );
  });

  test.each([
    ["junk in place of base64", "***", "not standard base64"],
    ["a body over the limit", "A".repeat(100_000), "longer than"],
  ])("%s is not asked for again", async (_name, body, problem) => {
    await using service = await MetadataService.start();
    service.serve(paths.azure, body);
    await expect(fetched(cloudSource("azure", service.origin))).rejects.toThrow(`user data: ${problem}`);
    expect(service.asked).toHaveLength(1);
  });

  test("a body without end is cut off at the limit", async () => {
    await using service = await MetadataService.start();
    service.answers.set(paths.aws, (request, response) => {
      const chunk = "x".repeat(65536);
      const write = (error?: Error | null): void => {
        if (error == null && !request.socket.destroyed) setImmediate(() => response.write(chunk, write));
      };
      write();
    });
    await expect(fetched(cloudSource("alibaba", service.origin))).rejects.toThrow(
      "user data: longer than 1048576 bytes",
    );
  });

  test("threat 90: a redirect is not followed", async () => {
    await using service = await MetadataService.start();
    service.answers.set(paths.aws, (_request, response) => {
      response.writeHead(302, { location: `${service.origin}/evil` }).end();
    });
    service.serve("GET /evil", document);
    const failure: unknown = await fetched(cloudSource("alibaba", service.origin)).catch((error) => error);
    expect(describeFailure(failure)).toContain("answers 302 (redirects are not followed)");
    expect(service.asked).not.toContain("GET /evil");
  });

  test("being told to stop stops it", async () => {
    await using service = await MetadataService.start();
    const stop = new AbortController();
    service.answers.set(paths.aws, () => stop.abort(new Error("stopped")));
    await expect(fetched(cloudSource("alibaba", service.origin), fakeClock().clock, stop.signal)).rejects.toThrow(
      "stopped",
    );
    expect(service.asked).toHaveLength(1);
  });
});

test.each([
  ["Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77\n", "azure"],
  ["Microsoft Corporation", "", undefined],
  ["Amazon EC2\n", "", "aws"],
  ["Google", "", "gcp"],
  ["Alibaba Cloud", "", "alibaba"],
  ["QEMU", "", undefined],
  ["", "", undefined],
])("a machine of vendor %j with tag %j asks %s", (vendor, chassisTag, name) => {
  expect(detectCloud({ vendor, chassisTag })).toBe(name);
});
