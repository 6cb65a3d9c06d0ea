import type { CloudName } from "./clouds.ts";

/** What the machine says of itself (/sys/class/dmi/id); the host could say anything, but only its own user data is at stake. */
export interface MachineIdentity {
  /** `sys_vendor`; empty when there is none. */
  readonly vendor: string;
  /** `chassis_asset_tag`; empty when there is none. */
  readonly chassisTag: string;
}

/** The tag that every Azure VM has; other Hyper-V machines have the same vendor. */
const azureChassisTag = "7783-7084-3265-9085-8269-3286-77";

/**
 * The cloud whose metadata service is to be asked, by what the machine says of itself (spec/userdata.md 3.1). A `cidata` file or disk
 * goes before all of these and is the caller's to look for: own machines and libvirt bring user data that way.
 *
 * Unlike the reference no network is needed to find out, so a network that comes up late is no reason to go on without user data.
 *
 * @returns undefined on any other machine: there is no user data then
 */
export function detectCloud({ vendor, chassisTag }: MachineIdentity): CloudName | undefined {
  const name = vendor.trim();
  if (name === "Microsoft Corporation" && chassisTag.trim() === azureChassisTag) return "azure";
  if (name === "Amazon EC2") return "aws";
  if (name === "Google") return "gcp";
  if (name === "Alibaba Cloud") return "alibaba";
  return undefined;
}
