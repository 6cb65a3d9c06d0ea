import { isTomlTable } from "../core/toml.ts";
import type { Initdata } from "../initdata/initdata.ts";
import { refuseTlsMaterial } from "../initdata/measured-settings.ts";
import { type Configuration, overlayConfiguration } from "./configuration.ts";

/**
 * The image's configuration with what the initdata's podkeep.toml sets laid over. Provisioning and both daemons make theirs by this,
 * each from the document itself, so that all of them run by the same settings.
 *
 * @param initdata undefined when the pod has none
 * @throws GuestError `invalid-argument` when the initdata names TLS material for a port that has no TLS by the image's
 *   configuration
 */
export function applyMeasuredSettings(configuration: Configuration, initdata: Initdata | undefined): Configuration {
  const table = initdata?.settings?.table;
  if (table === undefined) return configuration;
  const applied = overlayConfiguration(configuration, table);
  const section = table["agent"];
  if (applied.agent.tls === "off" && isTomlTable(section)) refuseTlsMaterial(section);
  return applied;
}
