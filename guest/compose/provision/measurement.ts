import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { pcr8Of } from "../../initdata/digest.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { InitdataError } from "../../initdata/initdata-error.ts";
import type { ProvisionConfiguration } from "../configuration.ts";
import type { DaemonContext } from "../daemon.ts";
import type { InitdataRegister, Machine } from "./machine.ts";

/**
 * Measures the document into PCR 8, once per boot. What has been done in this boot, the register itself tells: that can neither get
 * lost nor be forged as a file can. Where there is no TPM, the hub compares the digest with what the TEE reports.
 *
 * A notice shows the registers that a verifier compares.
 *
 * @throws InitdataError naming `algorithm` for a document that PCR 8 can't hold; GuestError `failed-precondition` when the register
 *   holds something else, or when a TPM is required and missing (threat model row 85)
 */
export async function measureInitdata(
  initdata: Initdata,
  { tpm }: ProvisionConfiguration,
  machine: Pick<Machine, "openRegister">,
  { log, notice }: Pick<DaemonContext, "log" | "notice">,
): Promise<void> {
  if (tpm === "off") return;
  const register = await machine.openRegister();
  if (register === undefined) {
    if (tpm === "required")
      throw new GuestError("failed-precondition", "this VM has no TPM, and provision.tpm requires one");
    log.info("no TPM: the initdata is not measured by provisioning");
    return;
  }
  try {
    await measureInto(register, initdata, log);
    notice(`PCRs (sha256): ${describe(await register.readCompared())}`);
  } finally {
    await register.close();
  }
}

async function measureInto(register: InitdataRegister, { algorithm, digest }: Initdata, log: Log): Promise<void> {
  if (algorithm !== "sha256") {
    const problem = `is ${algorithm}; this VM has a TPM, whose PCR 8 takes no other digest than sha256`;
    throw new InitdataError("algorithm", problem);
  }
  const goal = pcr8Of(digest);
  const before = await register.read();
  if (equal(before, goal)) {
    log.info("PCR 8 holds this initdata already", { pcr8: hex(goal) });
    return;
  }
  if (before.some((byte) => byte !== 0)) {
    const problem = `PCR 8 holds ${hex(before)} before initdata is measured: other initdata of this boot, or a boot loader's`;
    throw new GuestError("failed-precondition", `${problem}; only a reboot clears it`);
  }
  await register.extend(digest);
  const after = await register.read();
  if (!equal(after, goal))
    throw new GuestError("failed-precondition", `PCR 8 holds ${hex(after)} after it was extended, not ${hex(goal)}`);
  log.info("initdata measured", { pcr8: hex(goal) });
}

/** They are no secret: whoever starts the VM can quote them, and operators collect reference values here (scenario I11). */
function describe(registers: ReadonlyMap<number, Uint8Array>): string {
  return [...registers].map(([pcr, value]) => `${pcr} ${hex(value)}`).join(" ");
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
