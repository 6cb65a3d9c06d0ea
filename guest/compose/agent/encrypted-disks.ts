import type { EncryptedDisks } from "../../agent/dependencies.ts";
import { SecureMountService } from "../../rpc/messages/confidential-data-hub.ts";
import type { RpcClient } from "../../rpc/method.ts";
import { pathExists } from "../../sys/file.ts";
import { findProgram, runToSuccess } from "../../sys/program.ts";

/** How long opening a disk may take; the reference's cdh_api_timeout. Deriving a key from a passphrase takes most of it. */
const mountTimeoutMs = 50_000;

/**
 * Encrypted disks by the hub's SecureMount (spec/secure-mount.md 5.2). That service can't close what it has opened, so the agent does,
 * as the reference's forwarder: the mapping's name is the agent's choice, and a hub of the reference's can take this one's place.
 */
export function encryptedDisksOf(hub: RpcClient): EncryptedDisks {
  return {
    async mount({ device, mapping, keyUri, mountPoint }) {
      const options = {
        devicePath: device,
        sourceType: "encrypted",
        targetType: "fileSystem",
        encryptionType: "luks2",
        filesystemType: "ext4",
        key: keyUri,
        mapperName: mapping,
      };
      const request = { volume_type: "block-device", options, flags: [], mount_point: mountPoint };
      await hub.call(SecureMountService.methods.SecureMount, request, { timeoutMs: mountTimeoutMs });
    },
    async close(mapping) {
      if (!pathExists(`/dev/mapper/${mapping}`)) return;
      await runToSuccess(findProgram("cryptsetup"), ["close", "--", mapping], { env: { LC_ALL: "C" } });
    },
  };
}
