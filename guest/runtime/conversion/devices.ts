import type { LinuxDevice } from "../../rpc/messages/oci.ts";
import { maxListEntries } from "../limits.ts";
import type { OciDevice, OciDeviceRule } from "../oci-spec.ts";
import { invalidSpec, refusedSpec } from "./spec-error.ts";

/** A device node of the guest. */
export interface GuestDevice {
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
}

/**
 * Looks up a device that the guest's own configuration lets containers have.
 *
 * @returns undefined when containers may not have it or it is not there
 */
export type FindGuestDevice = (path: string) => GuestDevice | undefined;

/** Nodes that every OCI runtime makes by itself; naming them changes nothing. */
const standardDevices: ReadonlySet<string> = new Set([
  "/dev/null",
  "/dev/zero",
  "/dev/full",
  "/dev/random",
  "/dev/urandom",
  "/dev/tty",
  "/dev/ptmx",
  "/dev/console",
]);

const denyAll: OciDeviceRule = { allow: false, access: "rwm" };

/**
 * The device nodes of a container and the rules that go with them. Numbers come from the guest's own node, never from the host
 * (threat 46); the rules are "nothing" plus these nodes, to which the runtime adds its standard ones (threat 45).
 *
 * @throws GuestError `permission-denied` for a device that the guest does not give to containers
 */
export function convertDevices(
  devices: readonly LinuxDevice[],
  findGuestDevice: FindGuestDevice,
): { readonly nodes: OciDevice[]; readonly rules: OciDeviceRule[] } {
  if (devices.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} devices`);
  const nodes = devices
    .filter((device) => !standardDevices.has(device.Path))
    .map((device) => convertDevice(device, findGuestDevice(device.Path)));
  const rules = nodes.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access: "rw" }));
  return { nodes, rules: [denyAll, ...rules] };
}

function convertDevice(device: LinuxDevice, found: GuestDevice | undefined): OciDevice {
  const fields = { path: device.Path };
  if (found === undefined) throw refusedSpec("device is not one that a container may have", fields);
  if (device.Type !== found.type) throw refusedSpec("device has another type in the guest", fields);
  const numbered = device.Major !== 0n || device.Minor !== 0n;
  if (numbered && (device.Major !== BigInt(found.major) || device.Minor !== BigInt(found.minor))) {
    throw refusedSpec("device has another number in the guest", fields);
  }
  return {
    path: device.Path,
    type: found.type,
    major: found.major,
    minor: found.minor,
    fileMode: device.FileMode === 0 ? undefined : device.FileMode & 0o777,
    uid: device.UID,
    gid: device.GID,
  };
}
