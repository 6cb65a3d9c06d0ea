import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseConfiguration } from "../../guest/compose/configuration.ts";
import { imageConfiguration } from "../../image/image-configuration.ts";

const disk = { variant: "disk", profile: "production", initdataBinding: "required" } as const;

test("threat 112: the disk image demands a verity root; the lean one, which has none, does not", () => {
  expect(parseConfiguration(imageConfiguration(disk)).provision.root).toBe("verity");
  expect(parseConfiguration(imageConfiguration({ ...disk, profile: "debug" })).provision.root).toBe("verity");
  expect(parseConfiguration(imageConfiguration({ ...disk, variant: "lean" })).provision.root).toBe("any");
});

test("I16: whether unbound initdata starts is chosen when the image is built", () => {
  for (const initdataBinding of ["required", "preferred"] as const)
    expect(parseConfiguration(imageConfiguration({ ...disk, initdataBinding })).hub.initdataBinding).toBe(
      initdataBinding,
    );
});

test("threat 74: only a debug image tells the host why a request was denied", () => {
  expect(parseConfiguration(imageConfiguration(disk))).toMatchObject({
    logLevel: "info",
    agent: { explainToHost: false, tls: "required" },
  });
  expect(parseConfiguration(imageConfiguration({ ...disk, profile: "debug" })).agent.explainToHost).toBe(true);
});

test("V3, threat 120: in every image what pods can fill ends before the memory does", () => {
  for (const variant of ["disk", "lean"] as const)
    expect(parseConfiguration(imageConfiguration({ ...disk, variant })).provision.storageLimit).toBe("50%");
});

test("threat 120: in the disk image containers together leave what podkeep's slice holds on to", () => {
  const slice = readFileSync(new URL("../../image/tree/usr/lib/systemd/system/podkeep.slice", import.meta.url), "utf8");
  const { reservedMemoryMegabytes } = parseConfiguration(imageConfiguration(disk)).agent;
  expect(slice).toContain(`MemoryMin=${reservedMemoryMegabytes}M`);
});
