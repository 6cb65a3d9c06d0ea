import { expect, test } from "vitest";
import { encryptedDisksOf } from "../../guest/compose/agent/encrypted-disks.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { parseBlockVolume } from "../../guest/hub/secure-mount/volume-request.ts";
import { SecureMountRequest } from "../../guest/rpc/messages/confidential-data-hub.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";

const disk = {
  device: "/dev/vdb",
  mapping: "caa-vol-0",
  keyUri: "kbs:///default/volume/data",
  mountPoint: "/run/cloud-volumes/vol-0",
};

/** A hub that is asked and answers with nothing, or a failure. */
function hubWith(requests: SecureMountRequest[], failure?: GuestError): RpcClient {
  return {
    async call(method, request) {
      if (failure !== undefined) throw failure;
      requests.push(
        decodeMessage(SecureMountRequest, encodeMessage(method.request, request), { unknownFields: "reject" }),
      );
      return decodeMessage(method.response, new Uint8Array(), { unknownFields: "reject" });
    },
    close: async () => {},
  };
}

test("secure-mount.md 5.2: the agent's request is one that the hub understands, for an encrypted disk only", async () => {
  const requests: SecureMountRequest[] = [];
  await encryptedDisksOf(hubWith(requests)).mount(disk);
  const [request] = requests;
  expect(request?.options).toEqual({
    devicePath: "/dev/vdb",
    sourceType: "encrypted",
    targetType: "fileSystem",
    encryptionType: "luks2",
    filesystemType: "ext4",
    key: "kbs:///default/volume/data",
    mapperName: "caa-vol-0",
  });
  const { volume_type: type = "", options = {}, mount_point: mountPoint = "" } = request ?? {};
  expect(parseBlockVolume({ type, options, mountPoint })).toMatchObject({
    device: { path: "/dev/vdb" },
    source: "encrypted",
    target: "fileSystem",
    key: "kbs:///default/volume/data",
    mapperName: "caa-vol-0",
    mountPoint: "/run/cloud-volumes/vol-0",
  });
});

test("the hub's failure is the agent's", async () => {
  const failure = new GuestError("internal", "[CDH] [ERROR]: Secure Mount failed");
  await expect(encryptedDisksOf(hubWith([], failure)).mount(disk)).rejects.toBe(failure);
});

test("a mapping that is not there needs no closing", async () => {
  await encryptedDisksOf(hubWith([])).close("caa-nothing-of-this-name");
});
