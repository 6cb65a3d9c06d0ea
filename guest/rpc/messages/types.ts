// Generated from proto/types.proto by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";

export interface IPAddress {
  readonly family: number;
  readonly address: string;
  readonly mask: string;
}

export const IPAddress: MessageSchema<IPAddress> = {
  fullName: "types.IPAddress",
  fields: [
    { name: "family", number: 1, type: "enum", label: "singular" },
    { name: "address", number: 2, type: "string", label: "singular" },
    { name: "mask", number: 3, type: "string", label: "singular" },
  ],
};

/** A network interface with its addresses. */
export interface Interface {
  readonly device: string;
  readonly name: string;
  readonly IPAddresses: readonly IPAddress[];
  readonly mtu: bigint;
  readonly hwAddr: string;
  readonly devicePath: string;
  readonly type: string;
  readonly raw_flags: number;
}

export const Interface: MessageSchema<Interface> = {
  fullName: "types.Interface",
  fields: [
    { name: "device", number: 1, type: "string", label: "singular" },
    { name: "name", number: 2, type: "string", label: "singular" },
    { name: "IPAddresses", number: 3, type: () => IPAddress, label: "repeated" },
    { name: "mtu", number: 4, type: "uint64", label: "singular" },
    { name: "hwAddr", number: 5, type: "string", label: "singular" },
    { name: "devicePath", number: 6, type: "string", label: "singular" },
    { name: "type", number: 7, type: "string", label: "singular" },
    { name: "raw_flags", number: 8, type: "uint32", label: "singular" },
  ],
};

export interface Route {
  readonly dest: string;
  readonly gateway: string;
  readonly device: string;
  readonly source: string;
  readonly scope: number;
  readonly family: number;
  readonly flags: number;
  readonly mtu: number;
}

export const Route: MessageSchema<Route> = {
  fullName: "types.Route",
  fields: [
    { name: "dest", number: 1, type: "string", label: "singular" },
    { name: "gateway", number: 2, type: "string", label: "singular" },
    { name: "device", number: 3, type: "string", label: "singular" },
    { name: "source", number: 4, type: "string", label: "singular" },
    { name: "scope", number: 5, type: "uint32", label: "singular" },
    { name: "family", number: 6, type: "enum", label: "singular" },
    { name: "flags", number: 7, type: "uint32", label: "singular" },
    { name: "mtu", number: 8, type: "uint32", label: "singular" },
  ],
};

export interface ARPNeighbor {
  readonly toIPAddress: IPAddress | null;
  readonly device: string;
  readonly lladdr: string;
  readonly state: number;
  readonly flags: number;
}

export const ARPNeighbor: MessageSchema<ARPNeighbor> = {
  fullName: "types.ARPNeighbor",
  fields: [
    { name: "toIPAddress", number: 1, type: () => IPAddress, label: "singular" },
    { name: "device", number: 2, type: "string", label: "singular" },
    { name: "lladdr", number: 3, type: "string", label: "singular" },
    { name: "state", number: 4, type: "int32", label: "singular" },
    { name: "flags", number: 5, type: "int32", label: "singular" },
  ],
};

export const IPFamily = { v4: 0, v6: 1 } as const;

export const FSGroupChangePolicy = { Always: 0, OnRootMismatch: 1 } as const;
