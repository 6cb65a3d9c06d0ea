/** Provides the root file system of a container image. Fulfilled by the data hub (spec/agent-rpc.md 12). */
export interface ImagePuller {
  /**
   * Pulls an image and mounts its root file system at `<bundlePath>/rootfs`.
   *
   * @param reference as the host names it
   * @throws GuestError with the hub's own code; `unavailable` when there is no hub
   */
  pullImage(reference: string, bundlePath: string, signal: AbortSignal): Promise<void>;
}
