import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { loadProvisionedInitdata } from "../../../guest/compose/provision-files.ts";
import { encodeCarrier } from "../../../guest/initdata/carrier.ts";
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

  test("what cloud-init has written comes next (IBM); it is closed to others, and the cloud isn't asked", async () => {
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

describe.skipIf(getuid?.() !== 0)("a block device that carries initdata (needs root)", () => {
  test.each(["auto", "block-device"] as const)("is found among others by its magic (%s)", async (source) => {
    await using disks = new Disks(setScene({ source }));
    disks.attach("vda", Buffer.alloc(4096, 0xee));
    disks.attach("sdb", encodeCarrier(bytesOf(minimalDocument)));
    writeFileSync(join(disks.scene.devices, "vdz"), encodeCarrier(bytesOf("a plain file is no device")));
    expect((await runProvision(disks.scene)).failure).toBe("");
    expect(leftFiles(disks.scene)["initdata.digest"]).toBe(minimalDigest);
  });

  test("threat 86: two of them start nothing", async () => {
    await using disks = new Disks(setScene());
    for (const name of ["vda", "vdb"]) disks.attach(name, encodeCarrier(bytesOf(minimalDocument)));
    const { failure } = await runProvision(disks.scene);
    expect(failure).toMatch(/^several block devices carry initdata \(\S+vda, \S+vdb\); attach one of them only$/);
    expect(leftFiles(disks.scene)).toEqual({});
  });

  const carrier = encodeCarrier(bytesOf(minimalDocument));
  const withLength = (length: bigint): Uint8Array => {
    const image = Buffer.from(carrier);
    image.writeBigUInt64LE(length, 8);
    return image;
  };
  test.each([
    ["2^63", withLength(1n << 63n), "announces more than"],
    ["0", withLength(0n), "is empty"],
    ["more than the device has", withLength(4096n), "is shorter than it announces"],
    [
      "a text's",
      Buffer.concat([Buffer.from("initdata=nothing"), Buffer.alloc(496, 0x20)]),
      "does not start with the magic",
    ],
    ["less than the stream's", withLength(100n), "gzip: "],
  ])("threat 86: a length of %s is refused", async (_name, image, problem) => {
    await using disks = new Disks(setScene());
    disks.attach("vda", image);
    const { failure } = await runProvision(disks.scene);
    expect(failure).toMatch(/^the initdata of \S+\/vda can't be used: initdata: /);
    expect(failure).toContain(problem);
    expect(leftFiles(disks.scene)).toEqual({});
  });

  test("a configuration that requires one names the folder where there is none", async () => {
    const scene = setScene({ source: "block-device" });
    expect((await runProvision(scene)).failure).toBe(`no block device in ${scene.devices} carries initdata`);
  });
});

/** Block devices of a scene, each with an image behind it. */
class Disks implements AsyncDisposable {
  readonly scene: Scene;
  readonly #loops: string[] = [];

  constructor(scene: Scene) {
    this.scene = scene;
  }

  attach(name: string, image: Uint8Array): void {
    const file = join(this.scene.devices, `${name}.image`);
    writeFileSync(file, image);
    const loop = execFileSync("losetup", ["--find", "--show", "--read-only", file], { encoding: "utf8" }).trim();
    this.#loops.push(loop);
    const number = /\d+$/.exec(loop)?.[0] ?? "";
    execFileSync("mknod", [join(this.scene.devices, name), "b", "7", number]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const loop of this.#loops) execFileSync("losetup", ["--detach", loop]);
  }
}

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
  });
  expect(modeOf(scene.directory)).toBe(0o700);
  for (const name of Object.keys(leftFiles(scene))) expect(modeOf(join(scene.directory, name))).toBe(0o600);
  const initdata = loadProvisionedInitdata(scene.directory);
  expect(initdata && hex(initdata.digest)).toBe(minimalDigest);
}
