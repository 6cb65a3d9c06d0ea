import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const systemd = resolve(import.meta.dirname, "../../image/tree/usr/lib/systemd");

/** Lines of a settings file that set something. */
function settings(file: string): string[] {
  const lines = readFileSync(join(systemd, file), "utf8").split("\n");
  return lines.filter((line) => /^[A-Z]\w*=/.test(line));
}

describe("what the VM believes of its network", () => {
  test("threat 129: of DHCP it takes addresses, routes and the resolver; no names, no time, no IPv6 from a router, no LLDP", () => {
    const link = ["DHCP=ipv4", "IPv6AcceptRA=no", "LLDP=no", "EmitLLDP=no"];
    const lease = ["UseHostname=no", "UseDomains=no", "UseTimezone=no", "UseNTP=no"];
    expect(settings("network/20-wired.network")).toEqual(expect.arrayContaining([...link, ...lease]));
  });

  test("threat 129: nothing of the resolver listens, and it has no servers but DHCP's", () => {
    expect(settings("resolved.conf.d/podkeep.conf").sort()).toEqual(
      ["DNSStubListener=no", "FallbackDNS=", "LLMNR=no", "MulticastDNS=no"].sort(),
    );
  });
});
