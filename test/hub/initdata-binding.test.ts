import { describe, expect, test } from "vitest";
import type { Attester } from "../../guest/attest/attester.ts";
import { sampleAttester } from "../../guest/attest/sample/attester.ts";
import { createSnpAttester } from "../../guest/attest/snp/attester.ts";
import { parseConfiguration } from "../../guest/compose/configuration.ts";
import { bindAttester } from "../../guest/compose/hub/hub.ts";
import { createLog } from "../../guest/core/log.ts";
import { FakeAmd } from "../attest/snp/fake-amd.ts";

const digest = Buffer.alloc(32, 0x42);
const amd = new FakeAmd();

/** A SEV-SNP VM that was launched with this HOST_DATA. */
function snpWith(hostData: Uint8Array): Attester {
  return createSnpAttester({
    getReport: async (reportData) => ({ report: amd.report({ reportData, hostData }), certificateTable: Buffer.of() }),
  });
}

async function bind(attester: Attester, initdata: { digest: Buffer } | undefined, toml = ""): Promise<string> {
  let logged = "";
  const log = createLog((text) => {
    logged += text;
  }, "info");
  await bindAttester(attester, initdata, parseConfiguration(toml).hub.initdataBinding, log);
  return logged;
}

const preferred = '[hub]\ninitdata_binding = "preferred"\n';
const empty = Buffer.alloc(32);

describe("I16: a platform that leaves HOST_DATA empty", () => {
  test("nothing starts, and the sentence names the setting", async () => {
    await expect(bind(snpWith(empty), { digest })).rejects.toMatchObject({
      code: "failed-precondition",
      message: expect.stringContaining('hub.initdata_binding = "preferred"'),
    });
  });

  test("threat 82: measured configuration may go on without, loudly", async () => {
    const logged = await bind(snpWith(empty), { digest }, preferred);
    expect(logged).toContain("INITDATA IS NOT BOUND");
    expect(logged).toContain('"warn"');
  });

  test.each(["", preferred])("threat 81: another digest there is never relaxed (%j)", async (toml) => {
    await expect(bind(snpWith(Buffer.alloc(32, 1)), { digest }, toml)).rejects.toThrow("HOSTDATA does not match.");
  });

  test("one that fills it is bound without a warning", async () => {
    expect(await bind(snpWith(digest), { digest })).not.toContain("warn");
  });
});

test.each(["", preferred])("threat 81: a host that withholds the initdata is noticed (%j)", async (toml) => {
  await expect(bind(snpWith(digest), undefined, toml)).rejects.toThrow("the host has given no initdata");
  await bind(snpWith(empty), undefined, toml);
});

test("the sample TEE binds nothing, and says that it proves nothing", async () => {
  for (const initdata of [{ digest }, undefined]) {
    expect(await bind(sampleAttester, initdata)).toContain("proves nothing");
  }
});

test("the setting has two values", () => {
  expect(() => parseConfiguration('[hub]\ninitdata_binding = "off"\n')).toThrow("required, preferred");
});
