import { type DataHubConfig, defaultDataHubConfig, parseDataHubConfig } from "../hub/index.ts";
import type { Initdata } from "../initdata/initdata.ts";
import type { HubConfiguration } from "./configuration.ts";

/**
 * The data hub's configuration: the initdata's cdh.toml, else the defaults.
 *
 * @throws GuestError `invalid-argument` that names the key
 */
export function dataHubConfigOf(initdata: Initdata | undefined): DataHubConfig {
  const text = initdata?.dataHub?.text;
  return text === undefined ? defaultDataHubConfig : parseDataHubConfig(text);
}

/**
 * Where the agent finds the data hub: as cdh.toml says, else as the image's configuration does. All else in cdh.toml is the hub's to
 * judge, which may be another program than ours.
 *
 * @returns what is no path when cdh.toml names none: nobody can listen there, and the hub says why
 */
export function dataHubSocketOf(initdata: Initdata | undefined, hub: HubConfiguration): string {
  const address = initdata?.dataHub?.table["socket"];
  return typeof address === "string" ? address.replace(/^unix:\/\//, "") : hub.dataHubSocket;
}

/** Where verified layers are kept, and what pods fill: as cdh.toml says, else as the image's configuration does. */
export function imageStoreOf({ image }: DataHubConfig, hub: HubConfiguration): string {
  return image.workDirectory ?? hub.imageStore;
}
