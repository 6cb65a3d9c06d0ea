/** Names of TEEs on the wire (spec/attestation-agent.md 1.6), as far as this program knows how to find them. */
export const teeNames = [
  "tdx",
  "sgx",
  "az-tdx-vtpm",
  "az-snp-vtpm",
  "snp",
  "csv",
  "cca",
  "se",
  "tpm",
  "sample",
  "sampledevice",
] as const;

/** A TEE's name on the wire. */
export type TeeName = (typeof teeNames)[number];

/** Proves what this VM (or a device of it) is. One class a TEE. */
export interface Attester {
  readonly tee: TeeName;

  /**
   * Makes evidence that is bound to the given bytes.
   *
   * @param reportData at most as long as the TEE's field; shorter data is padded as the TEE's verifiers expect
   * @returns compact JSON text of the TEE's kind. Text, since its 64-bit numbers survive no JavaScript object
   * @throws GuestError `invalid-argument` for data that is too long, `unavailable` or `internal` when the device fails
   */
  getEvidence(reportData: Uint8Array, signal: AbortSignal): Promise<string>;

  /**
   * Binds the VM to its initdata: compares the digest with the field that the TEE keeps for it, or extends a register.
   *
   * @param digest raw digest of the initdata document
   * @returns `unsupported` when the TEE has nothing to bind with, or its field is all zeros since the platform can't set it; whether
   *   that is good enough is the caller's decision
   * @throws GuestError `failed-precondition` when the field holds something else
   */
  bindInitData(digest: Uint8Array): Promise<"bound" | "unsupported">;

  /**
   * For a VM without initdata: looks whether it was started with some, which the host then withholds. Only a field that the host sets
   * at launch can show that.
   *
   * @throws GuestError `failed-precondition` when the field holds a digest
   */
  expectNoInitData(): Promise<void>;

  /** Registers that can be extended while the VM runs; undefined where the TEE has none. */
  readonly registers: MeasurementRegisters | undefined;
}

/** The registers of a TEE that grow by hashing: RTMRs or PCRs. */
export interface MeasurementRegisters {
  readonly hash: "sha256" | "sha384";
  /**
   * The number that the event log uses for the register that stands for a PCR.
   *
   * @throws GuestError `invalid-argument` for a PCR that events must not change
   */
  logIndexOf(pcr: number): number;
  /** @throws GuestError */
  extend(pcr: number, digest: Uint8Array): Promise<void>;
  /** @throws GuestError */
  read(pcr: number): Promise<Uint8Array>;
}
