import { GuestError } from "../core/errors.ts";
import type { ARPNeighbor } from "../rpc/messages/types.ts";
import { formatIpAddress, type IpAddress } from "../sys/ip-address.ts";
import { checkHardwareAddress, checkIpAddress, checkLinkName } from "./checked-values.ts";
import { type Reserved, refuseOwnAddress, refuseReservedAddress } from "./guards.ts";
import type { IpProgram } from "./ip-program.ts";
import { maxNeighbors } from "./limits.ts";
import { ownAddresses, readLinks } from "./link.ts";

/** States of neighbours by the kernel's number (NUD_*); 0 stands for "as it should be". */
const states: ReadonlyMap<number, string> = new Map([
  [0, "permanent"],
  [2, "reachable"],
  [4, "stale"],
  [8, "delay"],
  [16, "probe"],
  [64, "noarp"],
  [128, "permanent"],
]);

/**
 * Adds or replaces entries of the neighbour table (spec/agent-rpc.md 6.9). All values are checked before the first change.
 *
 * @throws GuestError `permission-denied` for what the guards forbid, `invalid-argument`, `internal` with the words of `ip`
 */
export async function addNeighbors(
  ip: IpProgram,
  neighbors: readonly ARPNeighbor[],
  reserved: Reserved,
): Promise<void> {
  if (neighbors.length > maxNeighbors)
    throw new GuestError("invalid-argument", `there are at most ${maxNeighbors} neighbours`);
  const own = ownAddresses(await readLinks(ip));
  await ip.batch(neighbors.map((neighbor) => toCommand(neighbor, own, reserved)));
}

function toCommand(neighbor: ARPNeighbor, own: readonly IpAddress[], reserved: Reserved): string[] {
  if (neighbor.toIPAddress === null) throw new GuestError("invalid-argument", "a neighbour has no IP address");
  const address = checkIpAddress(neighbor.toIPAddress.address);
  refuseOwnAddress(address, own);
  refuseReservedAddress(address, reserved);
  const state = states.get(neighbor.state);
  if (state === undefined)
    throw new GuestError("invalid-argument", "not a state of a neighbour", { fields: { state: neighbor.state } });
  const hardware = neighbor.lladdr === "" ? [] : ["lladdr", checkHardwareAddress(neighbor.lladdr)];
  return [
    ...["neighbor", "replace", formatIpAddress(address), ...hardware],
    ...["dev", checkLinkName(neighbor.device), "nud", state],
  ];
}
