import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { computeInitDataValues } from "../../../guest/attest/measure/initdata-values.ts";

test("I5: the values of a sha256 document", () => {
  const digest = createHash("sha256").update("document").digest();
  expect(computeInitDataValues(digest)).toEqual({
    hostData: digest.toString("hex"),
    mrConfigId: digest.toString("hex") + "00".repeat(16),
    pcr8: createHash("sha256").update(Buffer.alloc(32)).update(digest).digest("hex"),
  });
});

test("I5: longer digests are cut for HOST_DATA and can't be extended into PCR 8", () => {
  const digest = createHash("sha512").update("document").digest();
  expect(computeInitDataValues(digest)).toEqual({
    hostData: digest.toString("hex").slice(0, 64),
    mrConfigId: digest.toString("hex").slice(0, 96),
    pcr8: undefined,
  });
});
