import type { Log } from "../../core/log.ts";
import type { Scope } from "../../core/scope.ts";
import { setUpPodNetwork, tearDownPodNetwork } from "../../network/pod-network.ts";
import { parsePodNetworkConfiguration } from "../../network/pod-network-configuration.ts";
import type { ApfFile } from "../apf-file.ts";
import type { AgentConfiguration } from "../configuration.ts";

/**
 * Connects the pod with its worker as apf.json says; without a `pod-network` in it a pod with a namespace of its own has the
 * loopback and nothing else. Taken down when the agent ends.
 *
 * @throws GuestError that names what is wrong with the configuration or what the kernel refused
 */
export async function connectPodNetwork(
  { podNetwork }: ApfFile,
  { networkNamespace, hostInterface }: Pick<AgentConfiguration, "networkNamespace" | "hostInterface">,
  log: Log,
  scope: Scope,
): Promise<void> {
  if (podNetwork === null || networkNamespace === "") {
    const reason = podNetwork === null ? "apf.json has no pod-network" : "it has no namespace of its own";
    log.warn("the pod gets no tunnel to its worker", { reason });
    return;
  }
  const configuration = parsePodNetworkConfiguration(podNetwork);
  const place = { podNamespace: networkNamespace, hostInterface: hostInterface || undefined };
  let setUp: Promise<void> | undefined;
  scope.add("pod network", async () => {
    // The start may have failed elsewhere while the network was half done; both at once would leave parts of it behind.
    await setUp?.catch(() => {}); // it has been reported
    await tearDownPodNetwork(configuration, place);
  });
  setUp = setUpPodNetwork(configuration, { ...place, signal: scope.signal, log });
  await setUp;
}
