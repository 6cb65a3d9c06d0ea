import { describe, expect, test } from "vitest";
import { minimalAnnotation } from "../../initdata/documents.ts";
import { sampleConfiguration } from "../../network/pod-network-samples.ts";
import { createIdentities } from "../../stack/identities.ts";
import { cloudConfig, leaveFile, leftFiles, runProvision, setScene } from "./provision-fixture.ts";

const identities = createIdentities();
const tls = {
  "tls-server-cert": identities.server.cert,
  "tls-server-key": identities.server.key,
  "tls-client-ca": identities.client.cert,
  "tls-min-version": "VersionTLS12",
  "tls-cipher-suites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
};
const podNetwork: Readonly<Record<string, unknown>> = { ...sampleConfiguration };

/** What the kernel or the worker decides, or what nothing here reads. */
const unread = new Set(["index"]);

/** Provisions with this apf.json. @returns what the console says */
async function failureOf(apf: unknown): Promise<string> {
  const scene = setScene({}, { tls: "required" });
  leaveFile(scene.cidata, cloudConfig({ "apf.json": JSON.stringify(apf), initdata: minimalAnnotation }));
  const { failure } = await runProvision(scene);
  if (failure !== "") expect(leftFiles(scene)).toEqual({});
  return failure;
}

test("the sample is right to begin with", async () => {
  expect(await failureOf({ ...tls, "pod-network": podNetwork })).toBe("");
});

describe.each(Object.keys(tls))("apf.json: %s", (key) => {
  const wrong: unknown[] = [5, true, {}, [5], { toString: "x" }];
  test.each(wrong.map((value) => ({ value })))("that is $value: refused, and named", async ({ value }) => {
    const failure = await failureOf({ ...tls, "pod-network": podNetwork, [key]: value });
    expect(failure).toContain("/apf.json can't be used (user data (");
    expect(failure).toContain(key);
  });
});

describe.each(Object.keys(podNetwork).filter((key) => !unread.has(key)))("threat 122: pod-network: %s", (key) => {
  const wrong: unknown[] = [{}, [5], typeof podNetwork[key] === "string" ? 5 : "x"];
  test.each(wrong.map((value) => ({ value })))("that is $value: refused, and named", async ({ value }) => {
    const failure = await failureOf({ ...tls, "pod-network": { ...podNetwork, [key]: value } });
    expect(failure).toContain("/apf.json can't be used (user data (");
    expect(failure).toContain(key);
  });
});

test.each([
  ["a key twice", '{"tls-client-ca": "a", "tls-client-ca": "b"}'],
  ["depth", `{"pod-network": ${"[".repeat(5000)}${"]".repeat(5000)}}`],
  ["a number of a million digits", `{"pod-network": ${"9".repeat(900_000)}}`],
  ["the end in the middle", '{"tls-server-cert": "'],
  ["a NUL", '{"tls-server-cert": "\\u0000"}'],
])("apf.json with %s is refused", async (_name, text) => {
  const scene = setScene({}, { tls: "required" });
  leaveFile(scene.cidata, cloudConfig({ "apf.json": text }));
  expect((await runProvision(scene)).failure).toContain("/apf.json can't be used (user data (");
});
