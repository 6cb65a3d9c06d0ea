import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const image = resolve(import.meta.dirname, "../../image");
const linesOf = (unit: string): string[] =>
  readFileSync(join(image, "tree/usr/lib/systemd/system", unit), "utf8").split("\n");

/** What locks a service in, and which process it is. */
const hardening =
  /^(CapabilityBoundingSet|SystemCall\w+|NoNewPrivileges|LockPersonality|UMask|LimitCORE|UnsetEnvironment|Slice)=/;

test("a refresh that fails ends neither the VM nor the daemons", () => {
  const service = linesOf("podkeep-refresh.service");
  expect(service.filter((line) => /Action=|^OnFailure=|^Restart=/.test(line))).toEqual([]);
  for (const unit of ["podkeep-agent.service", "podkeep-hub.service", "podkeep-provision.service"])
    expect(linesOf(unit).join("\n")).not.toContain("podkeep-refresh");
});

test("a refresh runs as locked in as provisioning", () => {
  const [refresh, provision] = ["podkeep-refresh.service", "podkeep-provision.service"].map(linesOf);
  expect(refresh?.filter((line) => hardening.test(line))).toEqual(provision?.filter((line) => hardening.test(line)));
  const command = provision?.find((line) => line.startsWith("ExecStart="));
  expect(refresh).toContain(`${command} --refresh`);
});

test("the timer is enabled, and waits for provisioning", () => {
  expect(readFileSync(join(image, "finalize.sh"), "utf8")).toMatch(/^enable podkeep-refresh\.timer$/m);
  expect(linesOf("podkeep-refresh.timer")).toContain("After=podkeep-provision.service");
});
