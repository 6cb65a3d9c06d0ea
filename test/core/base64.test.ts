import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../../guest/core/base64.ts";

test("bytes survive both ways", () => {
  for (let length = 0; length < 50; length++) {
    const bytes = randomBytes(length);
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
  }
});

test.each([
  ["without padding", "QQ"],
  ["bits behind the end", "QR=="],
  ["padding inside", "QQ==QQ=="],
  ["the url-safe alphabet", "-_-_"],
  ["line breaks", "QUFB\nQUFB"],
  ["blanks", " QQ="],
  ["three paddings", "Q==="],
])("%s is refused", (_what, text) => {
  expect(decodeBase64(text)).toBeUndefined();
});
