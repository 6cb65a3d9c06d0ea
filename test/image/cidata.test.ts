import { expect, test } from "vitest";
import { parseCloudConfig } from "../../guest/initdata/user-data/cloud-config.ts";
import { cloudConfigOf } from "../../image/vm/cidata.ts";

test("a cloud-config's files come out of podkeep's own parser as they went in, with one final newline", () => {
  const files = new Map([
    ["/run/peerpod/apf.json", '{\n    "pod-name": "hello: # \'world\'"\n}'],
    ["/run/peerpod/initdata", "H4sIAAAAAAAC\n"],
  ]);
  const expected = [...files].map(([path, content]) => ({ path, content: `${content.replace(/\n$/, "")}\n` }));
  expect(parseCloudConfig(cloudConfigOf(files))).toEqual(expected);
});
