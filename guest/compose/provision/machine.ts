import { reportAzureReadiness } from "../../initdata/user-data/azure-readiness.ts";
import { type CloudName, cloudSource } from "../../initdata/user-data/clouds.ts";
import type { MachineIdentity } from "../../initdata/user-data/detect.ts";
import { type FetchClock, systemClock } from "../../initdata/user-data/fetch.ts";
import type { MetadataAccess, UserDataSource } from "../../initdata/user-data/source.ts";
import { readFileIfPresent } from "../../sys/file.ts";
import { type RootFileSystem, readRootFileSystem } from "../../sys/root-file-system.ts";
import { extendPcr, readPcrs } from "../../sys/tpm/pcr.ts";
import { Tpm } from "../../sys/tpm/tpm.ts";
import { findTpmDevice, openTpmDevice } from "../../sys/tpm/transport.ts";

/** The register that initdata is measured into (spec/initdata.md 6.2). */
export interface InitdataRegister {
  /** What it holds, 32 bytes. @throws GuestError */
  read(): Promise<Uint8Array>;
  /** This register and those that prove the image, by number: what a verifier compares. @throws GuestError */
  readCompared(): Promise<ReadonlyMap<number, Uint8Array>>;
  /** @throws GuestError */
  extend(digest: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What provisioning asks the machine that it runs on. */
export interface Machine {
  /** What the firmware says of it. */
  identity(): MachineIdentity;
  /** @throws GuestError */
  readRootFileSystem(): RootFileSystem;
  /** A cloud's metadata service. */
  cloudSource(cloud: CloudName): UserDataSource;
  /** One attempt to tell Azure that this machine is ready. @throws Error when trying again may help */
  reportReadiness(access: MetadataAccess): Promise<void>;
  /** Where its block devices are. */
  readonly deviceDirectory: string;
  /** PCR 8 of its TPM; undefined without a TPM. */
  openRegister(): Promise<InitdataRegister | undefined>;
  readonly clock: FetchClock;
}

const maxIdentityBytes = 4096;
const initdataPcr = 8;

/** Option ROMs, UKI, initdata, initrd, sections of the UKI, additions to the command line (spec/podvm-image.md 3). */
const comparedPcrs = [3, 4, initdataPcr, 9, 11, 12];

/** The machine that this process runs on. */
export const thisMachine: Machine = {
  identity: () => ({ vendor: readIdentity("sys_vendor"), chassisTag: readIdentity("chassis_asset_tag") }),
  readRootFileSystem: () => readRootFileSystem(),
  cloudSource: (cloud) => cloudSource(cloud),
  reportReadiness: (access) => reportAzureReadiness(access),
  deviceDirectory: "/dev",
  openRegister: async () => {
    const device = findTpmDevice();
    return device === undefined ? undefined : tpmRegister(new Tpm(await openTpmDevice(device)));
  },
  clock: systemClock,
};

/** PCR 8 in the SHA-256 bank of a TPM. Closing it closes the TPM. */
export function tpmRegister(tpm: Tpm): InitdataRegister {
  return {
    read: async () => {
      const [value] = await readPcrs(tpm, [initdataPcr]);
      return value ?? missing(initdataPcr);
    },
    readCompared: async () => {
      const values = await readPcrs(tpm, comparedPcrs);
      return new Map(comparedPcrs.map((pcr, index) => [pcr, values[index] ?? missing(pcr)]));
    },
    extend: (digest) => extendPcr(tpm, initdataPcr, digest),
    close: () => tpm.close(),
  };
}

function missing(pcr: number): never {
  throw new TypeError(`PCR ${pcr} was read and has no value`);
}

function readIdentity(name: string): string {
  return readFileIfPresent(`/sys/class/dmi/id/${name}`, maxIdentityBytes)?.toString("latin1") ?? "";
}
