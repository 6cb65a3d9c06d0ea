/** Annotations by which containerd and CRI-O mark the pause container, and the value that does. */
const sandboxMarks = [
  ["io.kubernetes.cri.container-type", "sandbox"],
  ["io.kubernetes.cri-o.ContainerType", "sandbox"],
] as const;

/** True for the annotations of a pod's pause container (spec/agent-rpc.md 9.3). */
export function isSandboxContainer(annotations: Readonly<Record<string, string>>): boolean {
  return sandboxMarks.some(([name, value]) => Object.hasOwn(annotations, name) && annotations[name] === value);
}
