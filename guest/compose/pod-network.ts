import type { Log } from "../core/log.ts";
import type { Scope } from "../core/scope.ts";
import { setUpPodNetwork, tearDownPodNetwork } from "../network/pod-network.ts";
import { parsePodNetworkConfiguration } from "../network/pod-network-configuration.ts";
import type { ApfFile } from "./apf-file.ts";

/**
 * Connects the pod with its worker as apf.json says; without a `pod-network` in it the pod has its loopback and nothing else.
 * Taken down when the agent ends.
 *
 * @throws GuestError that names what is wrong with the configuration or what the kernel refused
 */
export async function connectPodNetwork(
  { podNetwork }: ApfFile,
  podNamespace: string | undefined,
  log: Log,
  scope: Scope,
): Promise<void> {
  if (podNetwork === null || podNamespace === undefined) {
    log.warn("the pod has no network but its loopback", { reason: "apf.json has no pod-network" });
    return;
  }
  const configuration = parsePodNetworkConfiguration(podNetwork);
  scope.add("pod network", () => tearDownPodNetwork(configuration, podNamespace));
  await setUpPodNetwork(configuration, { podNamespace, signal: scope.signal, log });
}
