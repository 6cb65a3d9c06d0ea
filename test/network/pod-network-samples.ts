import type { JsonValue } from "../../guest/core/json.ts";

/** `pod-network` of an apf.json as a worker with a bridge CNI writes it. */
export const sampleConfiguration: Readonly<Record<string, JsonValue>> = {
  podip: "10.128.0.2/24",
  "pod-hw-addr": "0a:58:0a:80:00:02",
  interface: "eth0",
  "worker-node-ip": "10.10.0.1/24",
  "tunnel-type": "vxlan",
  routes: [
    { dst: "::ffff:0.0.0.0/0", gw: "10.128.0.1", dev: "eth0", protocol: "boot" },
    { dst: "10.128.0.0/24", gw: "", dev: "eth0", protocol: "kernel", scope: "link" },
  ],
  neighbors: null,
  mtu: 1450,
  index: 0,
  "vxlan-port": 4789,
  "vxlan-id": 555000,
  dedicated: false,
  "external-net-via-pod-vm": false,
};
