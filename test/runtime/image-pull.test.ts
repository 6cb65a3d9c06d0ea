import { describe, expect, test } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import { Storage } from "../../guest/rpc/messages/agent.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import { createGuestPaths, rootfsOf } from "../../guest/runtime/guest-paths.ts";
import type { ImagePuller } from "../../guest/runtime/image-puller.ts";
import { createImagePullDriver } from "../../guest/runtime/storage/image-pull.ts";

const paths = createGuestPaths({ base: "/nowhere", networkNamespace: undefined });
const containerType = "io.kubernetes.cri.container-type";

/** What the storage of a container with this driver option is answered; nothing is pulled, the puller waits for its signal. */
async function attach(option: string): Promise<unknown> {
  const storage = {
    driver: "image_guest_pull",
    driver_options: [`image_guest_pull=${option}`],
    source: "busybox:1",
    mount_point: rootfsOf(paths, "c1"),
  };
  const puller: ImagePuller = {
    pullImage: (_reference, _bundle, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  };
  const signal = new AbortController().signal;
  const context = { containerId: "c1", isSandboxContainer: false, signal, log: silentLog };
  const request = decodeMessage(Storage, encodeMessage(Storage, storage), { unknownFields: "reject" });
  return await createImagePullDriver(paths, puller, 1).attach(request, context);
}

describe("the storage of an image", () => {
  test("a pull that takes too long ends", async () => {
    const option = JSON.stringify({ metadata: { [containerType]: "container", number: 1 } });
    await expect(attach(option)).rejects.toMatchObject({ code: "deadline-exceeded" });
    await expect(attach("{}")).rejects.toMatchObject({ code: "deadline-exceeded" });
  });

  test("threat 39: its metadata is read strictly, so that nobody reads another one", async () => {
    for (const option of [
      `{"metadata":{"${containerType}":"sandbox"},"metadata":{"${containerType}":"container"}}`,
      `{"metadata":{"${containerType}":"sandbox","${containerType}":"container"}}`,
      "{",
      "",
      "[]",
      '"text"',
    ]) {
      await expect(attach(option), option).rejects.toMatchObject({
        code: "internal",
        message: "image information is not acceptable JSON",
      });
    }
  });

  test("threat 39: a storage for the sandbox container is not one for a container", async () => {
    const option = JSON.stringify({ metadata: { [containerType]: "sandbox" } });
    await expect(attach(option)).rejects.toMatchObject({ code: "permission-denied" });
  });
});
