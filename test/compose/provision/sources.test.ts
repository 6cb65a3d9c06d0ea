import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadProvisionedInitdata } from "../../../guest/compose/provisioned-files.ts";
import { encodeAnnotation } from "../../../guest/initdata/encodings.ts";
import { bytesOf, hex, minimalAnnotation, minimalDocument } from "../../initdata/documents.ts";
import { MetadataService } from "../../initdata/user-data/metadata-service.ts";
import {
  cloudConfig,
  countingClock,
  leaveFile,
  leftFiles,
  modeOf,
  runProvision,
  type Scene,
  setScene,
} from "./provision-fixture.ts";

const minimalDigest = "86fd1cca6de294f50a2849145173d667321cbb7d2c401d0117cf8ffd689b0775";
const absentDigest = "adb48cc14fea9403d3d51f3b5f5068fd4d80445a14e94f1b3d5dbabaad66478d";
const azureTag = "7783-7084-3265-9085-8269-3286-77";
const userData = cloudConfig({
  "apf.json": '{\n    "pod-namespace": "default"\n}',
  "auth.json": '{"auths":{"quay.io":{"auth":"dXNlcjpwYXNz"}}}',
  initdata: minimalAnnotation,
  "scratch-space.marker": "",
});
const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Each cloud as its worker side sets it: who the machine says it is, what the service is asked and how it answers. */
const clouds = [
  {
    cloud: "azure",
    vendor: "Microsoft Corporation",
    chassisTag: azureTag,
    serve: (service: MetadataService, text: string) =>
      service.serve("GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text", base64(text), [
        "metadata",
        "true",
      ]),
  },
  {
    cloud: "aws",
    vendor: "Amazon EC2",
    serve: (service: MetadataService, text: string) => {
      service.serve("PUT /latest/api/token", "token", ["x-aws-ec2-metadata-token-ttl-seconds", "60"]);
      service.serve("GET /latest/user-data", text, ["x-aws-ec2-metadata-token", "token"]);
    },
  },
  {
    cloud: "gcp",
    vendor: "Google",
    serve: (service: MetadataService, text: string) =>
      service.serve("GET /computeMetadata/v1/instance/attributes/user-data", base64(text), [
        "metadata-flavor",
        "Google",
      ]),
  },
  {
    cloud: "alibaba",
    vendor: "Alibaba Cloud",
    serve: (service: MetadataService, text: string) => service.serve("GET /latest/user-data", text),
  },
] as const;

describe("user data of a cloud", () => {
  test.each(clouds)("$cloud: found by the machine's own name, verified and written for root only", async (cloud) => {
    await using service = await MetadataService.start();
    cloud.serve(service, userData);
    const scene = setScene();
    const { failure, log } = await runProvision(scene, { ...cloud, metadata: service.origin });
    expect(failure).toBe("");
    expect(log).toContain(`"origin":"user data (${cloud.cloud})"`);
    expectMinimalPod(scene);
  });

  test.each(clouds)("$cloud: named in the configuration, whatever the machine says", async ({ cloud, serve }) => {
    await using service = await MetadataService.start();
    serve(service, userData);
    const scene = setScene({ source: cloud });
    expect((await runProvision(scene, { metadata: service.origin })).failure).toBe("");
    expectMinimalPod(scene);
  });

  test("Google: a network that comes up late is waited for and never taken for a machine without user data", async () => {
    const service = await MetadataService.start();
    const { origin } = service;
    await service[Symbol.asyncDispose]();
    const { clock, slept } = countingClock();
    const scene = setScene();
    const { failure, log } = await runProvision(scene, { vendor: "Google", metadata: origin, clock });
    expect(failure).toMatch(
      /^user data: gcp has given none in 180 s \(attempts: \d+\): can't connect to 127\.0\.0\.1:\d+/,
    );
    expect(slept.slice(0, 6)).toEqual([1000, 2000, 3000, 4000, 5000, 5000]);
    expect(log).toContain("user data not there yet");
    expect(leftFiles(scene)).toEqual({});
  });

  test("user data that comes after some attempts is used", async () => {
    await using service = await MetadataService.start();
    service.answers.set("GET /latest/user-data", (_request, response) => {
      if (service.asked.length < 4) response.writeHead(503).end();
      else response.end(userData);
    });
    const scene = setScene();
    expect((await runProvision(scene, { vendor: "Alibaba Cloud", metadata: service.origin })).failure).toBe("");
    expect(service.asked).toHaveLength(4);
    expectMinimalPod(scene);
  });

  test("threat 83: empty user data is a pod without initdata, which is measured as such", async () => {
    await using service = await MetadataService.start();
    const scene = setScene();
    clouds[0].serve(service, "");
    expect((await runProvision(scene, { ...clouds[0], metadata: service.origin })).failure).toBe("");
    expect(leftFiles(scene)["initdata.digest"]).toBe(absentDigest);
  });
});

describe("the order of auto", () => {
  test("a cidata disk goes before everything else", async () => {
    const scene = setScene();
    leaveFile(scene.cidata, userData);
    leaveFile(join(scene.directory, "initdata"), "not this one");
    // Nothing answers at the cloud: asking it would fail.
    expect((await runProvision(scene, { vendor: "Amazon EC2" })).failure).toBe("");
    expectMinimalPod(scene);
  });

  test("threat 91: what cloud-init has written comes next (IBM); it is closed to others, and the cloud isn't asked", async () => {
    const scene = setScene();
    leaveFile(join(scene.directory, "initdata"), `${minimalAnnotation}\n`);
    leaveFile(join(scene.directory, "apf.json"), "{}");
    leaveFile(join(scene.directory, "auth.json"), '{"auths":{}}');
    expect((await runProvision(scene, { vendor: "Amazon EC2" })).failure).toBe("");
    expect(leftFiles(scene)["initdata.digest"]).toBe(minimalDigest);
    for (const name of ["apf.json", "auth.json"]) expect(modeOf(join(scene.directory, name))).toBe(0o600);
    expect(modeOf(scene.directory)).toBe(0o700);
  });

  test("threat 84: aa.toml and cdh.toml that something else has left are gone", async () => {
    const scene = setScene({ source: "none" });
    for (const name of ["aa.toml", "cdh.toml", "policy.rego"]) leaveFile(join(scene.directory, name), "url = 'evil'");
    expect((await runProvision(scene)).failure).toBe("");
    expect(JSON.stringify(leftFiles(scene))).not.toContain("evil");
  });

  test("threat 83: a machine with nothing gets the document that says so, and the daemons take it for none", async () => {
    const scene = setScene();
    const { failure, log } = await runProvision(scene);
    expect(failure).toBe("");
    expect(log).toContain("no initdata: the policy of the image rules");
    expect(leftFiles(scene)).toMatchObject({ "initdata.digest": absentDigest, "aa.toml": "" });
    expect(loadProvisionedInitdata(scene.directory)).toBeUndefined();
  });

  test("a cidata disk that is late is waited for where the agent needs what is on it", async () => {
    const scene = setScene({}, { tls: "required" });
    const { failure, log } = await runProvision(scene);
    expect(failure).toMatch(
      /^user data: cidata has given none in 180 s \(attempts: \d+\): there is neither \S+ nor a disk/,
    );
    expect(log).toContain("user data not there yet");
    const { clock } = countingClock();
    const late = { ...clock, sleep: async () => leaveFile(scene.cidata, userData) };
    expect((await runProvision(scene, { clock: late })).failure).toContain("has no tls-server-cert");
  });

  test("scenario I2: what user data brings is the document; nothing is merged with the file that is there", async () => {
    const scene = setScene();
    leaveFile(scene.cidata, userData);
    const other = 'algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"policy.wasm" = "AGFzbQ=="\n';
    leaveFile(join(scene.directory, "initdata"), encodeAnnotation(bytesOf(other)));
    expect((await runProvision(scene)).failure).toBe("");
    expectMinimalPod(scene);
  });

  test("scenario P6: user data without initdata leaves the policy to the image", async () => {
    const scene = setScene();
    leaveFile(
      scene.cidata,
      cloudConfig({ "apf.json": "{}", "policy.rego": "package agent_policy\ndefault X := true" }),
    );
    const { failure, log } = await runProvision(scene);
    expect(failure).toBe("");
    expect(leftFiles(scene)).not.toHaveProperty("policy.rego");
    expect(log).toContain('"path":"/run/peerpod/policy.rego"');
  });
});

test("daemons do not start before provisioning has succeeded", () => {
  expect(() => loadProvisionedInitdata(setScene().directory)).toThrow("podkeep provision has to succeed first");
});

test("a second run leaves the same files", async () => {
  const scene = setScene();
  leaveFile(scene.cidata, userData);
  await runProvision(scene);
  const first = leftFiles(scene);
  rmSync(scene.cidata);
  expect((await runProvision(scene)).failure).toBe("");
  expect(leftFiles(scene)).toEqual(first);
});

test("threat 88: whatever paths user data names, only the files of the allow-list appear, and all of them in their folder", async () => {
  const likely = [
    "/run/peerpod/apf.json",
    "/run/peerpod/aa.toml",
    "/run/peerpod/policy.rego",
    "/run/peerpod",
    "peerpod",
  ];
  const path = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom(...likely),
    fc
      .tuple(
        fc.constantFrom("../", "./", "/", ""),
        fc.constantFrom(...likely),
        fc.constantFrom("/", "\0", " ", "/.", ""),
      )
      .map((parts) => parts.join("")),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(path, { maxLength: 32 }), async (paths) => {
      const scene = setScene();
      leaveFile(scene.cidata, JSON.stringify({ write_files: paths.map((name) => ({ path: name, content: "{}" })) }));
      expect((await runProvision(scene)).failure).toBe("");
      const expected = ["aa.toml", "initdata.digest", "initdata.toml", "user-data.source"];
      if (paths.includes("/run/peerpod/apf.json")) expected.push("apf.json");
      expect(Object.keys(leftFiles(scene))).toEqual(expected.sort());
      expect(readdirSync(dirname(scene.directory)).sort()).toEqual(["cidata", "dev", "peerpod"]);
    }),
    { numRuns: 60 },
  );
});

function expectMinimalPod(scene: Scene): void {
  expect(leftFiles(scene)).toEqual({
    "aa.toml": "[token_configs]\n[token_configs.kbs]\nurl = 'http://192.168.122.1:8080'\n",
    "apf.json": '{\n    "pod-namespace": "default"\n}\n',
    "auth.json": '{"auths":{"quay.io":{"auth":"dXNlcjpwYXNz"}}}\n',
    "cdh.toml": expect.stringContaining("name = 'cc_kbc'"),
    initdata: `${minimalAnnotation}\n`,
    "initdata.digest": minimalDigest,
    "initdata.toml": minimalDocument,
    "policy.rego": expect.stringContaining("package agent_policy"),
    "scratch-space.marker": "",
    "user-data.source": expect.stringMatching(/^\w+$|cidata$/),
  });
  expect(modeOf(scene.directory)).toBe(0o700);
  for (const name of Object.keys(leftFiles(scene))) expect(modeOf(join(scene.directory, name))).toBe(0o600);
  const initdata = loadProvisionedInitdata(scene.directory);
  expect(initdata && hex(initdata.digest)).toBe(minimalDigest);
}
