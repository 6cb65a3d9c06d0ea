import type { CommandIo } from "../core/command.ts";
import { parseAttestationAgentConfig } from "../hub/config/attestation-agent-config.ts";
import { parseDataHubConfig } from "../hub/config/data-hub-config.ts";
import type { Initdata } from "../initdata/initdata.ts";
import { summarizeInitdata } from "../initdata/summary.ts";
import { compilerFor } from "../policy/compile-source.ts";
import { missingRules } from "../policy/missing-rules.ts";

/**
 * Prints what is in a document, reads its entries as the daemons do, and prints a warning for what they accept but will surprise
 * the owner (scenario I7).
 *
 * @throws GuestError `invalid-argument` naming the entry that a daemon would refuse, and the key at fault
 */
export async function checkInitdata(initdata: Initdata, io: CommandIo): Promise<void> {
  io.stdout(`${summarizeInitdata(initdata)}\n`);
  const warnings = [
    ...initdata.warnings,
    ...unknownKeys("aa.toml", initdata.attestationAgent?.text, parseAttestationAgentConfig),
    ...unknownKeys("cdh.toml", initdata.dataHub?.text, parseDataHubConfig),
    ...(await policyWarnings(initdata)),
  ];
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
}

function unknownKeys(
  entry: string,
  text: string | undefined,
  parse: (text: string) => { readonly unknownKeys: readonly string[] },
): readonly string[] {
  if (text === undefined) return [];
  return parse(text).unknownKeys.map((key) => `${entry}: ${key} means nothing here`);
}

async function policyWarnings({ policy }: Initdata): Promise<readonly string[]> {
  if (policy === undefined) return ["no policy; the policy of the image rules, which refuses everything in production"];
  const compile = await compilerFor(policy);
  const missing = missingRules(compile(policy, "policy.rego"));
  return missing.length === 0 ? [] : [`the policy has no rule for ${missing.join(", ")}; such requests fail`];
}
