// Generated from proto/agent.proto by `npm run gen`. Do not edit.

import type { ServiceDefinition } from "../method.ts";
import type { MessageSchema } from "../protobuf/schema.ts";
import { VolumeStatsResponse } from "./csi.ts";
import { LinuxResources, Process, Spec } from "./oci.ts";
import { ARPNeighbor, Interface, Route } from "./types.ts";
import { Empty } from "./well-known.ts";

/** A container to be created: identity, devices, mounts and the whole OCI specification. */
export interface CreateContainerRequest {
  readonly container_id: string;
  readonly exec_id: string;
  readonly string_user: StringUser | null;
  readonly devices: readonly Device[];
  readonly storages: readonly Storage[];
  readonly OCI: Spec | null;
  /** Whether the container shares the sandbox's process id namespace. */
  readonly sandbox_pidns: boolean;
  readonly shared_mounts: readonly SharedMount[];
  /** Vsock ports for streams that bypass the agent; 0 when they don't. */
  readonly stdin_port: number;
  readonly stdout_port: number;
  readonly stderr_port: number;
}

export const CreateContainerRequest: MessageSchema<CreateContainerRequest> = {
  fullName: "grpc.CreateContainerRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "string_user", number: 3, type: () => StringUser, label: "singular" },
    { name: "devices", number: 4, type: () => Device, label: "repeated" },
    { name: "storages", number: 5, type: () => Storage, label: "repeated" },
    { name: "OCI", number: 6, type: () => Spec, label: "singular" },
    { name: "sandbox_pidns", number: 7, type: "bool", label: "singular" },
    { name: "shared_mounts", number: 8, type: () => SharedMount, label: "repeated" },
    { name: "stdin_port", number: 9, type: "uint32", label: "singular" },
    { name: "stdout_port", number: 10, type: "uint32", label: "singular" },
    { name: "stderr_port", number: 11, type: "uint32", label: "singular" },
  ],
};

export interface StartContainerRequest {
  readonly container_id: string;
}

export const StartContainerRequest: MessageSchema<StartContainerRequest> = {
  fullName: "grpc.StartContainerRequest",
  fields: [{ name: "container_id", number: 1, type: "string", label: "singular" }],
};

export interface RemoveContainerRequest {
  readonly container_id: string;
  readonly timeout: number;
}

export const RemoveContainerRequest: MessageSchema<RemoveContainerRequest> = {
  fullName: "grpc.RemoveContainerRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "timeout", number: 2, type: "uint32", label: "singular" },
  ],
};

export interface ExecProcessRequest {
  readonly container_id: string;
  readonly exec_id: string;
  readonly string_user: StringUser | null;
  readonly process: Process | null;
  /** Vsock ports for streams that bypass the agent; 0 when they don't. */
  readonly stdin_port: number;
  readonly stdout_port: number;
  readonly stderr_port: number;
}

export const ExecProcessRequest: MessageSchema<ExecProcessRequest> = {
  fullName: "grpc.ExecProcessRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "string_user", number: 3, type: () => StringUser, label: "singular" },
    { name: "process", number: 4, type: () => Process, label: "singular" },
    { name: "stdin_port", number: 5, type: "uint32", label: "singular" },
    { name: "stdout_port", number: 6, type: "uint32", label: "singular" },
    { name: "stderr_port", number: 7, type: "uint32", label: "singular" },
  ],
};

export interface SignalProcessRequest {
  readonly container_id: string;
  /** Empty means the container's first process. */
  readonly exec_id: string;
  readonly signal: number;
}

export const SignalProcessRequest: MessageSchema<SignalProcessRequest> = {
  fullName: "grpc.SignalProcessRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "signal", number: 3, type: "uint32", label: "singular" },
  ],
};

export interface WaitProcessRequest {
  readonly container_id: string;
  readonly exec_id: string;
}

export const WaitProcessRequest: MessageSchema<WaitProcessRequest> = {
  fullName: "grpc.WaitProcessRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
  ],
};

export interface WaitProcessResponse {
  /** Exit code, or 128 plus the signal's number. */
  readonly status: number;
}

export const WaitProcessResponse: MessageSchema<WaitProcessResponse> = {
  fullName: "grpc.WaitProcessResponse",
  fields: [{ name: "status", number: 1, type: "int32", label: "singular" }],
};

export interface UpdateContainerRequest {
  readonly container_id: string;
  readonly resources: LinuxResources | null;
}

export const UpdateContainerRequest: MessageSchema<UpdateContainerRequest> = {
  fullName: "grpc.UpdateContainerRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "resources", number: 2, type: () => LinuxResources, label: "singular" },
  ],
};

export interface StatsContainerRequest {
  readonly container_id: string;
}

export const StatsContainerRequest: MessageSchema<StatsContainerRequest> = {
  fullName: "grpc.StatsContainerRequest",
  fields: [{ name: "container_id", number: 1, type: "string", label: "singular" }],
};

export interface PauseContainerRequest {
  readonly container_id: string;
}

export const PauseContainerRequest: MessageSchema<PauseContainerRequest> = {
  fullName: "grpc.PauseContainerRequest",
  fields: [{ name: "container_id", number: 1, type: "string", label: "singular" }],
};

export interface ResumeContainerRequest {
  readonly container_id: string;
}

export const ResumeContainerRequest: MessageSchema<ResumeContainerRequest> = {
  fullName: "grpc.ResumeContainerRequest",
  fields: [{ name: "container_id", number: 1, type: "string", label: "singular" }],
};

export interface CpuUsage {
  readonly total_usage: bigint;
  readonly percpu_usage: readonly bigint[];
  readonly usage_in_kernelmode: bigint;
  readonly usage_in_usermode: bigint;
}

export const CpuUsage: MessageSchema<CpuUsage> = {
  fullName: "grpc.CpuUsage",
  fields: [
    { name: "total_usage", number: 1, type: "uint64", label: "singular" },
    { name: "percpu_usage", number: 2, type: "uint64", label: "repeated" },
    { name: "usage_in_kernelmode", number: 3, type: "uint64", label: "singular" },
    { name: "usage_in_usermode", number: 4, type: "uint64", label: "singular" },
  ],
};

export interface ThrottlingData {
  readonly periods: bigint;
  readonly throttled_periods: bigint;
  readonly throttled_time: bigint;
}

export const ThrottlingData: MessageSchema<ThrottlingData> = {
  fullName: "grpc.ThrottlingData",
  fields: [
    { name: "periods", number: 1, type: "uint64", label: "singular" },
    { name: "throttled_periods", number: 2, type: "uint64", label: "singular" },
    { name: "throttled_time", number: 3, type: "uint64", label: "singular" },
  ],
};

export interface CpuStats {
  readonly cpu_usage: CpuUsage | null;
  readonly throttling_data: ThrottlingData | null;
}

export const CpuStats: MessageSchema<CpuStats> = {
  fullName: "grpc.CpuStats",
  fields: [
    { name: "cpu_usage", number: 1, type: () => CpuUsage, label: "singular" },
    { name: "throttling_data", number: 2, type: () => ThrottlingData, label: "singular" },
  ],
};

export interface PidsStats {
  readonly current: bigint;
  readonly limit: bigint;
}

export const PidsStats: MessageSchema<PidsStats> = {
  fullName: "grpc.PidsStats",
  fields: [
    { name: "current", number: 1, type: "uint64", label: "singular" },
    { name: "limit", number: 2, type: "uint64", label: "singular" },
  ],
};

export interface MemoryData {
  readonly usage: bigint;
  readonly max_usage: bigint;
  readonly failcnt: bigint;
  readonly limit: bigint;
}

export const MemoryData: MessageSchema<MemoryData> = {
  fullName: "grpc.MemoryData",
  fields: [
    { name: "usage", number: 1, type: "uint64", label: "singular" },
    { name: "max_usage", number: 2, type: "uint64", label: "singular" },
    { name: "failcnt", number: 3, type: "uint64", label: "singular" },
    { name: "limit", number: 4, type: "uint64", label: "singular" },
  ],
};

export interface MemoryStats {
  readonly cache: bigint;
  readonly usage: MemoryData | null;
  readonly swap_usage: MemoryData | null;
  readonly kernel_usage: MemoryData | null;
  readonly use_hierarchy: boolean;
  readonly stats: Readonly<Record<string, bigint>>;
}

export const MemoryStats: MessageSchema<MemoryStats> = {
  fullName: "grpc.MemoryStats",
  fields: [
    { name: "cache", number: 1, type: "uint64", label: "singular" },
    { name: "usage", number: 2, type: () => MemoryData, label: "singular" },
    { name: "swap_usage", number: 3, type: () => MemoryData, label: "singular" },
    { name: "kernel_usage", number: 4, type: () => MemoryData, label: "singular" },
    { name: "use_hierarchy", number: 5, type: "bool", label: "singular" },
    { name: "stats", number: 6, type: "uint64", label: "map", mapKey: "string" },
  ],
};

export interface BlkioStatsEntry {
  readonly major: bigint;
  readonly minor: bigint;
  readonly op: string;
  readonly value: bigint;
}

export const BlkioStatsEntry: MessageSchema<BlkioStatsEntry> = {
  fullName: "grpc.BlkioStatsEntry",
  fields: [
    { name: "major", number: 1, type: "uint64", label: "singular" },
    { name: "minor", number: 2, type: "uint64", label: "singular" },
    { name: "op", number: 3, type: "string", label: "singular" },
    { name: "value", number: 4, type: "uint64", label: "singular" },
  ],
};

export interface BlkioStats {
  readonly io_service_bytes_recursive: readonly BlkioStatsEntry[];
  readonly io_serviced_recursive: readonly BlkioStatsEntry[];
  readonly io_queued_recursive: readonly BlkioStatsEntry[];
  readonly io_service_time_recursive: readonly BlkioStatsEntry[];
  readonly io_wait_time_recursive: readonly BlkioStatsEntry[];
  readonly io_merged_recursive: readonly BlkioStatsEntry[];
  readonly io_time_recursive: readonly BlkioStatsEntry[];
  readonly sectors_recursive: readonly BlkioStatsEntry[];
}

export const BlkioStats: MessageSchema<BlkioStats> = {
  fullName: "grpc.BlkioStats",
  fields: [
    { name: "io_service_bytes_recursive", number: 1, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_serviced_recursive", number: 2, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_queued_recursive", number: 3, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_service_time_recursive", number: 4, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_wait_time_recursive", number: 5, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_merged_recursive", number: 6, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "io_time_recursive", number: 7, type: () => BlkioStatsEntry, label: "repeated" },
    { name: "sectors_recursive", number: 8, type: () => BlkioStatsEntry, label: "repeated" },
  ],
};

export interface HugetlbStats {
  readonly usage: bigint;
  readonly max_usage: bigint;
  readonly failcnt: bigint;
}

export const HugetlbStats: MessageSchema<HugetlbStats> = {
  fullName: "grpc.HugetlbStats",
  fields: [
    { name: "usage", number: 1, type: "uint64", label: "singular" },
    { name: "max_usage", number: 2, type: "uint64", label: "singular" },
    { name: "failcnt", number: 3, type: "uint64", label: "singular" },
  ],
};

export interface CgroupStats {
  readonly cpu_stats: CpuStats | null;
  readonly memory_stats: MemoryStats | null;
  readonly pids_stats: PidsStats | null;
  readonly blkio_stats: BlkioStats | null;
  readonly hugetlb_stats: Readonly<Record<string, HugetlbStats>>;
}

export const CgroupStats: MessageSchema<CgroupStats> = {
  fullName: "grpc.CgroupStats",
  fields: [
    { name: "cpu_stats", number: 1, type: () => CpuStats, label: "singular" },
    { name: "memory_stats", number: 2, type: () => MemoryStats, label: "singular" },
    { name: "pids_stats", number: 3, type: () => PidsStats, label: "singular" },
    { name: "blkio_stats", number: 4, type: () => BlkioStats, label: "singular" },
    { name: "hugetlb_stats", number: 5, type: () => HugetlbStats, label: "map", mapKey: "string" },
  ],
};

export interface NetworkStats {
  readonly name: string;
  readonly rx_bytes: bigint;
  readonly rx_packets: bigint;
  readonly rx_errors: bigint;
  readonly rx_dropped: bigint;
  readonly tx_bytes: bigint;
  readonly tx_packets: bigint;
  readonly tx_errors: bigint;
  readonly tx_dropped: bigint;
}

export const NetworkStats: MessageSchema<NetworkStats> = {
  fullName: "grpc.NetworkStats",
  fields: [
    { name: "name", number: 1, type: "string", label: "singular" },
    { name: "rx_bytes", number: 2, type: "uint64", label: "singular" },
    { name: "rx_packets", number: 3, type: "uint64", label: "singular" },
    { name: "rx_errors", number: 4, type: "uint64", label: "singular" },
    { name: "rx_dropped", number: 5, type: "uint64", label: "singular" },
    { name: "tx_bytes", number: 6, type: "uint64", label: "singular" },
    { name: "tx_packets", number: 7, type: "uint64", label: "singular" },
    { name: "tx_errors", number: 8, type: "uint64", label: "singular" },
    { name: "tx_dropped", number: 9, type: "uint64", label: "singular" },
  ],
};

export interface StatsContainerResponse {
  readonly cgroup_stats: CgroupStats | null;
  readonly network_stats: readonly NetworkStats[];
}

export const StatsContainerResponse: MessageSchema<StatsContainerResponse> = {
  fullName: "grpc.StatsContainerResponse",
  fields: [
    { name: "cgroup_stats", number: 1, type: () => CgroupStats, label: "singular" },
    { name: "network_stats", number: 2, type: () => NetworkStats, label: "repeated" },
  ],
};

export interface WriteStreamRequest {
  readonly container_id: string;
  readonly exec_id: string;
  readonly data: Uint8Array;
}

export const WriteStreamRequest: MessageSchema<WriteStreamRequest> = {
  fullName: "grpc.WriteStreamRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "data", number: 3, type: "bytes", label: "singular" },
  ],
};

export interface WriteStreamResponse {
  readonly len: number;
}

export const WriteStreamResponse: MessageSchema<WriteStreamResponse> = {
  fullName: "grpc.WriteStreamResponse",
  fields: [{ name: "len", number: 1, type: "uint32", label: "singular" }],
};

export interface ReadStreamRequest {
  readonly container_id: string;
  readonly exec_id: string;
  readonly len: number;
}

export const ReadStreamRequest: MessageSchema<ReadStreamRequest> = {
  fullName: "grpc.ReadStreamRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "len", number: 3, type: "uint32", label: "singular" },
  ],
};

/** A piece of output; empty at its end. */
export interface ReadStreamResponse {
  readonly data: Uint8Array;
}

export const ReadStreamResponse: MessageSchema<ReadStreamResponse> = {
  fullName: "grpc.ReadStreamResponse",
  fields: [{ name: "data", number: 1, type: "bytes", label: "singular" }],
};

export interface CloseStdinRequest {
  readonly container_id: string;
  readonly exec_id: string;
}

export const CloseStdinRequest: MessageSchema<CloseStdinRequest> = {
  fullName: "grpc.CloseStdinRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
  ],
};

export interface TtyWinResizeRequest {
  readonly container_id: string;
  readonly exec_id: string;
  readonly row: number;
  readonly column: number;
}

export const TtyWinResizeRequest: MessageSchema<TtyWinResizeRequest> = {
  fullName: "grpc.TtyWinResizeRequest",
  fields: [
    { name: "container_id", number: 1, type: "string", label: "singular" },
    { name: "exec_id", number: 2, type: "string", label: "singular" },
    { name: "row", number: 3, type: "uint32", label: "singular" },
    { name: "column", number: 4, type: "uint32", label: "singular" },
  ],
};

export interface KernelModule {
  readonly name: string;
  readonly parameters: readonly string[];
}

export const KernelModule: MessageSchema<KernelModule> = {
  fullName: "grpc.KernelModule",
  fields: [
    { name: "name", number: 1, type: "string", label: "singular" },
    { name: "parameters", number: 2, type: "string", label: "repeated" },
  ],
};

export interface CreateSandboxRequest {
  readonly hostname: string;
  readonly dns: readonly string[];
  readonly storages: readonly Storage[];
  readonly sandbox_pidns: boolean;
  readonly sandbox_id: string;
  readonly guest_hook_path: string;
  readonly kernel_modules: readonly KernelModule[];
}

export const CreateSandboxRequest: MessageSchema<CreateSandboxRequest> = {
  fullName: "grpc.CreateSandboxRequest",
  fields: [
    { name: "hostname", number: 1, type: "string", label: "singular" },
    { name: "dns", number: 2, type: "string", label: "repeated" },
    { name: "storages", number: 3, type: () => Storage, label: "repeated" },
    { name: "sandbox_pidns", number: 4, type: "bool", label: "singular" },
    { name: "sandbox_id", number: 5, type: "string", label: "singular" },
    { name: "guest_hook_path", number: 6, type: "string", label: "singular" },
    { name: "kernel_modules", number: 7, type: () => KernelModule, label: "repeated" },
  ],
};

export type DestroySandboxRequest = Readonly<Record<string, never>>;

export const DestroySandboxRequest: MessageSchema<DestroySandboxRequest> = {
  fullName: "grpc.DestroySandboxRequest",
  fields: [],
};

export type RemoveStaleVirtiofsShareMountsRequest = Readonly<Record<string, never>>;

export const RemoveStaleVirtiofsShareMountsRequest: MessageSchema<RemoveStaleVirtiofsShareMountsRequest> = {
  fullName: "grpc.RemoveStaleVirtiofsShareMountsRequest",
  fields: [],
};

export interface Interfaces {
  readonly Interfaces: readonly Interface[];
}

export const Interfaces: MessageSchema<Interfaces> = {
  fullName: "grpc.Interfaces",
  fields: [{ name: "Interfaces", number: 1, type: () => Interface, label: "repeated" }],
};

export interface Routes {
  readonly Routes: readonly Route[];
}

export const Routes: MessageSchema<Routes> = {
  fullName: "grpc.Routes",
  fields: [{ name: "Routes", number: 1, type: () => Route, label: "repeated" }],
};

export interface UpdateInterfaceRequest {
  readonly interface: Interface | null;
}

export const UpdateInterfaceRequest: MessageSchema<UpdateInterfaceRequest> = {
  fullName: "grpc.UpdateInterfaceRequest",
  fields: [{ name: "interface", number: 1, type: () => Interface, label: "singular" }],
};

export interface UpdateRoutesRequest {
  readonly routes: Routes | null;
}

export const UpdateRoutesRequest: MessageSchema<UpdateRoutesRequest> = {
  fullName: "grpc.UpdateRoutesRequest",
  fields: [{ name: "routes", number: 1, type: () => Routes, label: "singular" }],
};

export interface UpdateEphemeralMountsRequest {
  readonly storages: readonly Storage[];
}

export const UpdateEphemeralMountsRequest: MessageSchema<UpdateEphemeralMountsRequest> = {
  fullName: "grpc.UpdateEphemeralMountsRequest",
  fields: [{ name: "storages", number: 1, type: () => Storage, label: "repeated" }],
};

export type ListInterfacesRequest = Readonly<Record<string, never>>;

export const ListInterfacesRequest: MessageSchema<ListInterfacesRequest> = {
  fullName: "grpc.ListInterfacesRequest",
  fields: [],
};

export type ListRoutesRequest = Readonly<Record<string, never>>;

export const ListRoutesRequest: MessageSchema<ListRoutesRequest> = {
  fullName: "grpc.ListRoutesRequest",
  fields: [],
};

export interface ARPNeighbors {
  readonly ARPNeighbors: readonly ARPNeighbor[];
}

export const ARPNeighbors: MessageSchema<ARPNeighbors> = {
  fullName: "grpc.ARPNeighbors",
  fields: [{ name: "ARPNeighbors", number: 1, type: () => ARPNeighbor, label: "repeated" }],
};

export interface AddARPNeighborsRequest {
  readonly neighbors: ARPNeighbors | null;
}

export const AddARPNeighborsRequest: MessageSchema<AddARPNeighborsRequest> = {
  fullName: "grpc.AddARPNeighborsRequest",
  fields: [{ name: "neighbors", number: 1, type: () => ARPNeighbors, label: "singular" }],
};

export interface GetIPTablesRequest {
  readonly is_ipv6: boolean;
}

export const GetIPTablesRequest: MessageSchema<GetIPTablesRequest> = {
  fullName: "grpc.GetIPTablesRequest",
  fields: [{ name: "is_ipv6", number: 1, type: "bool", label: "singular" }],
};

export interface GetIPTablesResponse {
  readonly data: Uint8Array;
}

export const GetIPTablesResponse: MessageSchema<GetIPTablesResponse> = {
  fullName: "grpc.GetIPTablesResponse",
  fields: [{ name: "data", number: 1, type: "bytes", label: "singular" }],
};

export interface SetIPTablesRequest {
  readonly is_ipv6: boolean;
  readonly data: Uint8Array;
}

export const SetIPTablesRequest: MessageSchema<SetIPTablesRequest> = {
  fullName: "grpc.SetIPTablesRequest",
  fields: [
    { name: "is_ipv6", number: 1, type: "bool", label: "singular" },
    { name: "data", number: 2, type: "bytes", label: "singular" },
  ],
};

export interface SetIPTablesResponse {
  readonly data: Uint8Array;
}

export const SetIPTablesResponse: MessageSchema<SetIPTablesResponse> = {
  fullName: "grpc.SetIPTablesResponse",
  fields: [{ name: "data", number: 1, type: "bytes", label: "singular" }],
};

export interface OnlineCPUMemRequest {
  readonly wait: boolean;
  readonly nb_cpus: number;
  readonly cpu_only: boolean;
}

export const OnlineCPUMemRequest: MessageSchema<OnlineCPUMemRequest> = {
  fullName: "grpc.OnlineCPUMemRequest",
  fields: [
    { name: "wait", number: 1, type: "bool", label: "singular" },
    { name: "nb_cpus", number: 2, type: "uint32", label: "singular" },
    { name: "cpu_only", number: 3, type: "bool", label: "singular" },
  ],
};

/** Entropy from the host. Field number 1 was never used. */
export interface ReseedRandomDevRequest {
  readonly data: Uint8Array;
}

export const ReseedRandomDevRequest: MessageSchema<ReseedRandomDevRequest> = {
  fullName: "grpc.ReseedRandomDevRequest",
  fields: [{ name: "data", number: 2, type: "bytes", label: "singular" }],
};

export interface AgentDetails {
  readonly version: string;
  readonly init_daemon: boolean;
  readonly device_handlers: readonly string[];
  readonly storage_handlers: readonly string[];
  readonly supports_seccomp: boolean;
  readonly extra_features: readonly string[];
}

export const AgentDetails: MessageSchema<AgentDetails> = {
  fullName: "grpc.AgentDetails",
  fields: [
    { name: "version", number: 1, type: "string", label: "singular" },
    { name: "init_daemon", number: 2, type: "bool", label: "singular" },
    { name: "device_handlers", number: 3, type: "string", label: "repeated" },
    { name: "storage_handlers", number: 4, type: "string", label: "repeated" },
    { name: "supports_seccomp", number: 5, type: "bool", label: "singular" },
    { name: "extra_features", number: 6, type: "string", label: "repeated" },
  ],
};

export interface GuestDetailsRequest {
  readonly mem_block_size: boolean;
  readonly mem_hotplug_probe: boolean;
}

export const GuestDetailsRequest: MessageSchema<GuestDetailsRequest> = {
  fullName: "grpc.GuestDetailsRequest",
  fields: [
    { name: "mem_block_size", number: 1, type: "bool", label: "singular" },
    { name: "mem_hotplug_probe", number: 2, type: "bool", label: "singular" },
  ],
};

export interface GuestDetailsResponse {
  /** Smallest amount of memory that can be plugged in; 0 when none can. */
  readonly mem_block_size_bytes: bigint;
  readonly agent_details: AgentDetails | null;
  readonly support_mem_hotplug_probe: boolean;
}

export const GuestDetailsResponse: MessageSchema<GuestDetailsResponse> = {
  fullName: "grpc.GuestDetailsResponse",
  fields: [
    { name: "mem_block_size_bytes", number: 1, type: "uint64", label: "singular" },
    { name: "agent_details", number: 2, type: () => AgentDetails, label: "singular" },
    { name: "support_mem_hotplug_probe", number: 3, type: "bool", label: "singular" },
  ],
};

export interface MemHotplugByProbeRequest {
  readonly memHotplugProbeAddr: readonly bigint[];
}

export const MemHotplugByProbeRequest: MessageSchema<MemHotplugByProbeRequest> = {
  fullName: "grpc.MemHotplugByProbeRequest",
  fields: [{ name: "memHotplugProbeAddr", number: 1, type: "uint64", label: "repeated" }],
};

export interface SetGuestDateTimeRequest {
  readonly Sec: bigint;
  readonly Usec: bigint;
}

export const SetGuestDateTimeRequest: MessageSchema<SetGuestDateTimeRequest> = {
  fullName: "grpc.SetGuestDateTimeRequest",
  fields: [
    { name: "Sec", number: 1, type: "int64", label: "singular" },
    { name: "Usec", number: 2, type: "int64", label: "singular" },
  ],
};

/** Group ownership of a volume. Field number 1 was never used. */
export interface FSGroup {
  readonly group_id: number;
  readonly group_change_policy: number;
}

export const FSGroup: MessageSchema<FSGroup> = {
  fullName: "grpc.FSGroup",
  fields: [
    { name: "group_id", number: 2, type: "uint32", label: "singular" },
    { name: "group_change_policy", number: 3, type: "enum", label: "singular" },
  ],
};

export interface SharedMount {
  readonly name: string;
  readonly src_ctr: string;
  readonly src_path: string;
  readonly dst_ctr: string;
  readonly dst_path: string;
}

export const SharedMount: MessageSchema<SharedMount> = {
  fullName: "grpc.SharedMount",
  fields: [
    { name: "name", number: 1, type: "string", label: "singular" },
    { name: "src_ctr", number: 2, type: "string", label: "singular" },
    { name: "src_path", number: 3, type: "string", label: "singular" },
    { name: "dst_ctr", number: 4, type: "string", label: "singular" },
    { name: "dst_path", number: 5, type: "string", label: "singular" },
  ],
};

/** Something to mount in the guest before the container is created. */
export interface Storage {
  readonly driver: string;
  readonly driver_options: readonly string[];
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mount_point: string;
  readonly fs_group: FSGroup | null;
  readonly shared: boolean;
}

export const Storage: MessageSchema<Storage> = {
  fullName: "grpc.Storage",
  fields: [
    { name: "driver", number: 1, type: "string", label: "singular" },
    { name: "driver_options", number: 2, type: "string", label: "repeated" },
    { name: "source", number: 3, type: "string", label: "singular" },
    { name: "fstype", number: 4, type: "string", label: "singular" },
    { name: "options", number: 5, type: "string", label: "repeated" },
    { name: "mount_point", number: 6, type: "string", label: "singular" },
    { name: "fs_group", number: 7, type: () => FSGroup, label: "singular" },
    { name: "shared", number: 8, type: "bool", label: "singular" },
  ],
};

/** A device that the host has plugged in and that a container wants. */
export interface Device {
  readonly id: string;
  readonly type: string;
  readonly vm_path: string;
  readonly container_path: string;
  readonly options: readonly string[];
}

export const Device: MessageSchema<Device> = {
  fullName: "grpc.Device",
  fields: [
    { name: "id", number: 1, type: "string", label: "singular" },
    { name: "type", number: 2, type: "string", label: "singular" },
    { name: "vm_path", number: 3, type: "string", label: "singular" },
    { name: "container_path", number: 4, type: "string", label: "singular" },
    { name: "options", number: 5, type: "string", label: "repeated" },
  ],
};

/** User and groups by name. Unused by the shims in the field. */
export interface StringUser {
  readonly uid: string;
  readonly gid: string;
  readonly additionalGids: readonly string[];
}

export const StringUser: MessageSchema<StringUser> = {
  fullName: "grpc.StringUser",
  fields: [
    { name: "uid", number: 1, type: "string", label: "singular" },
    { name: "gid", number: 2, type: "string", label: "singular" },
    { name: "additionalGids", number: 3, type: "string", label: "repeated" },
  ],
};

/** A piece of a file, a directory or a symbolic link, for guests without a shared file system. */
export interface CopyFileRequest {
  readonly path: string;
  readonly file_size: bigint;
  /** Type and permission bits, as in stat(2). */
  readonly file_mode: number;
  /** Permission bits of parent directories that have to be made. */
  readonly dir_mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly offset: bigint;
  /** Bytes of the piece, or the target of a symbolic link. */
  readonly data: Uint8Array;
}

export const CopyFileRequest: MessageSchema<CopyFileRequest> = {
  fullName: "grpc.CopyFileRequest",
  fields: [
    { name: "path", number: 1, type: "string", label: "singular" },
    { name: "file_size", number: 2, type: "int64", label: "singular" },
    { name: "file_mode", number: 3, type: "uint32", label: "singular" },
    { name: "dir_mode", number: 4, type: "uint32", label: "singular" },
    { name: "uid", number: 5, type: "int32", label: "singular" },
    { name: "gid", number: 6, type: "int32", label: "singular" },
    { name: "offset", number: 7, type: "int64", label: "singular" },
    { name: "data", number: 8, type: "bytes", label: "singular" },
  ],
};

export type GetOOMEventRequest = Readonly<Record<string, never>>;

export const GetOOMEventRequest: MessageSchema<GetOOMEventRequest> = {
  fullName: "grpc.GetOOMEventRequest",
  fields: [],
};

export interface OOMEvent {
  readonly container_id: string;
}

export const OOMEvent: MessageSchema<OOMEvent> = {
  fullName: "grpc.OOMEvent",
  fields: [{ name: "container_id", number: 1, type: "string", label: "singular" }],
};

export interface AddSwapRequest {
  readonly PCIPath: readonly number[];
}

export const AddSwapRequest: MessageSchema<AddSwapRequest> = {
  fullName: "grpc.AddSwapRequest",
  fields: [{ name: "PCIPath", number: 1, type: "uint32", label: "repeated" }],
};

export interface AddSwapPathRequest {
  readonly path: string;
}

export const AddSwapPathRequest: MessageSchema<AddSwapPathRequest> = {
  fullName: "grpc.AddSwapPathRequest",
  fields: [{ name: "path", number: 1, type: "string", label: "singular" }],
};

export type GetMetricsRequest = Readonly<Record<string, never>>;

export const GetMetricsRequest: MessageSchema<GetMetricsRequest> = {
  fullName: "grpc.GetMetricsRequest",
  fields: [],
};

export interface Metrics {
  readonly metrics: string;
}

export const Metrics: MessageSchema<Metrics> = {
  fullName: "grpc.Metrics",
  fields: [{ name: "metrics", number: 1, type: "string", label: "singular" }],
};

export interface VolumeStatsRequest {
  readonly volume_guest_path: string;
}

export const VolumeStatsRequest: MessageSchema<VolumeStatsRequest> = {
  fullName: "grpc.VolumeStatsRequest",
  fields: [{ name: "volume_guest_path", number: 1, type: "string", label: "singular" }],
};

export interface ResizeVolumeRequest {
  readonly volume_guest_path: string;
  readonly size: bigint;
}

export const ResizeVolumeRequest: MessageSchema<ResizeVolumeRequest> = {
  fullName: "grpc.ResizeVolumeRequest",
  fields: [
    { name: "volume_guest_path", number: 1, type: "string", label: "singular" },
    { name: "size", number: 2, type: "uint64", label: "singular" },
  ],
};

export interface SetPolicyRequest {
  readonly policy: string;
}

export const SetPolicyRequest: MessageSchema<SetPolicyRequest> = {
  fullName: "grpc.SetPolicyRequest",
  fields: [{ name: "policy", number: 1, type: "string", label: "singular" }],
};

export interface GetDiagnosticDataRequest {
  readonly log_type: string;
  readonly container_id: string;
}

export const GetDiagnosticDataRequest: MessageSchema<GetDiagnosticDataRequest> = {
  fullName: "grpc.GetDiagnosticDataRequest",
  fields: [
    { name: "log_type", number: 1, type: "string", label: "singular" },
    { name: "container_id", number: 2, type: "string", label: "singular" },
  ],
};

export interface GetDiagnosticDataResponse {
  readonly data: string;
}

export const GetDiagnosticDataResponse: MessageSchema<GetDiagnosticDataResponse> = {
  fullName: "grpc.GetDiagnosticDataResponse",
  fields: [{ name: "data", number: 1, type: "string", label: "singular" }],
};

/** Settings of the memory agent; a field that is not sent keeps its value. */
export interface MemAgentMemcgConfig {
  readonly disabled: boolean | null;
  readonly swap: boolean | null;
  readonly swappiness_max: number | null;
  readonly period_secs: bigint | null;
  readonly period_psi_percent_limit: number | null;
  readonly eviction_psi_percent_limit: number | null;
  readonly eviction_run_aging_count_min: bigint | null;
}

export const MemAgentMemcgConfig: MessageSchema<MemAgentMemcgConfig> = {
  fullName: "grpc.MemAgentMemcgConfig",
  fields: [
    { name: "disabled", number: 1, type: "bool", label: "optional" },
    { name: "swap", number: 2, type: "bool", label: "optional" },
    { name: "swappiness_max", number: 3, type: "uint32", label: "optional" },
    { name: "period_secs", number: 4, type: "uint64", label: "optional" },
    { name: "period_psi_percent_limit", number: 5, type: "uint32", label: "optional" },
    { name: "eviction_psi_percent_limit", number: 6, type: "uint32", label: "optional" },
    { name: "eviction_run_aging_count_min", number: 7, type: "uint64", label: "optional" },
  ],
};

/** Settings of memory compaction; a field that is not sent keeps its value. */
export interface MemAgentCompactConfig {
  readonly disabled: boolean | null;
  readonly period_secs: bigint | null;
  readonly period_psi_percent_limit: number | null;
  readonly compact_psi_percent_limit: number | null;
  readonly compact_sec_max: bigint | null;
  readonly compact_order: number | null;
  readonly compact_threshold: bigint | null;
  readonly compact_force_times: bigint | null;
}

export const MemAgentCompactConfig: MessageSchema<MemAgentCompactConfig> = {
  fullName: "grpc.MemAgentCompactConfig",
  fields: [
    { name: "disabled", number: 1, type: "bool", label: "optional" },
    { name: "period_secs", number: 2, type: "uint64", label: "optional" },
    { name: "period_psi_percent_limit", number: 3, type: "uint32", label: "optional" },
    { name: "compact_psi_percent_limit", number: 4, type: "uint32", label: "optional" },
    { name: "compact_sec_max", number: 5, type: "int64", label: "optional" },
    { name: "compact_order", number: 6, type: "uint32", label: "optional" },
    { name: "compact_threshold", number: 7, type: "uint64", label: "optional" },
    { name: "compact_force_times", number: 8, type: "uint64", label: "optional" },
  ],
};

/** Life of the sandbox and its containers. Every method is decided by the policy before anything happens. */
export const AgentService = {
  name: "grpc.AgentService",
  methods: {
    /** Containers and processes. */
    CreateContainer: {
      service: "grpc.AgentService",
      name: "CreateContainer",
      request: CreateContainerRequest,
      response: Empty,
    },
    StartContainer: {
      service: "grpc.AgentService",
      name: "StartContainer",
      request: StartContainerRequest,
      response: Empty,
    },
    RemoveContainer: {
      service: "grpc.AgentService",
      name: "RemoveContainer",
      request: RemoveContainerRequest,
      response: Empty,
    },
    ExecProcess: { service: "grpc.AgentService", name: "ExecProcess", request: ExecProcessRequest, response: Empty },
    SignalProcess: {
      service: "grpc.AgentService",
      name: "SignalProcess",
      request: SignalProcessRequest,
      response: Empty,
    },
    WaitProcess: {
      service: "grpc.AgentService",
      name: "WaitProcess",
      request: WaitProcessRequest,
      response: WaitProcessResponse,
    },
    UpdateContainer: {
      service: "grpc.AgentService",
      name: "UpdateContainer",
      request: UpdateContainerRequest,
      response: Empty,
    },
    UpdateEphemeralMounts: {
      service: "grpc.AgentService",
      name: "UpdateEphemeralMounts",
      request: UpdateEphemeralMountsRequest,
      response: Empty,
    },
    StatsContainer: {
      service: "grpc.AgentService",
      name: "StatsContainer",
      request: StatsContainerRequest,
      response: StatsContainerResponse,
    },
    PauseContainer: {
      service: "grpc.AgentService",
      name: "PauseContainer",
      request: PauseContainerRequest,
      response: Empty,
    },
    ResumeContainer: {
      service: "grpc.AgentService",
      name: "ResumeContainer",
      request: ResumeContainerRequest,
      response: Empty,
    },
    RemoveStaleVirtiofsShareMounts: {
      service: "grpc.AgentService",
      name: "RemoveStaleVirtiofsShareMounts",
      request: RemoveStaleVirtiofsShareMountsRequest,
      response: Empty,
    },
    GetDiagnosticData: {
      service: "grpc.AgentService",
      name: "GetDiagnosticData",
      request: GetDiagnosticDataRequest,
      response: GetDiagnosticDataResponse,
    },
    /** Streams of a process. */
    WriteStdin: {
      service: "grpc.AgentService",
      name: "WriteStdin",
      request: WriteStreamRequest,
      response: WriteStreamResponse,
    },
    ReadStdout: {
      service: "grpc.AgentService",
      name: "ReadStdout",
      request: ReadStreamRequest,
      response: ReadStreamResponse,
    },
    ReadStderr: {
      service: "grpc.AgentService",
      name: "ReadStderr",
      request: ReadStreamRequest,
      response: ReadStreamResponse,
    },
    CloseStdin: { service: "grpc.AgentService", name: "CloseStdin", request: CloseStdinRequest, response: Empty },
    TtyWinResize: { service: "grpc.AgentService", name: "TtyWinResize", request: TtyWinResizeRequest, response: Empty },
    /** Network of the pod. */
    UpdateInterface: {
      service: "grpc.AgentService",
      name: "UpdateInterface",
      request: UpdateInterfaceRequest,
      response: Interface,
    },
    UpdateRoutes: {
      service: "grpc.AgentService",
      name: "UpdateRoutes",
      request: UpdateRoutesRequest,
      response: Routes,
    },
    ListInterfaces: {
      service: "grpc.AgentService",
      name: "ListInterfaces",
      request: ListInterfacesRequest,
      response: Interfaces,
    },
    ListRoutes: { service: "grpc.AgentService", name: "ListRoutes", request: ListRoutesRequest, response: Routes },
    AddARPNeighbors: {
      service: "grpc.AgentService",
      name: "AddARPNeighbors",
      request: AddARPNeighborsRequest,
      response: Empty,
    },
    GetIPTables: {
      service: "grpc.AgentService",
      name: "GetIPTables",
      request: GetIPTablesRequest,
      response: GetIPTablesResponse,
    },
    SetIPTables: {
      service: "grpc.AgentService",
      name: "SetIPTables",
      request: SetIPTablesRequest,
      response: SetIPTablesResponse,
    },
    /** Observation and tuning. */
    GetMetrics: { service: "grpc.AgentService", name: "GetMetrics", request: GetMetricsRequest, response: Metrics },
    MemAgentMemcgSet: {
      service: "grpc.AgentService",
      name: "MemAgentMemcgSet",
      request: MemAgentMemcgConfig,
      response: Empty,
    },
    MemAgentCompactSet: {
      service: "grpc.AgentService",
      name: "MemAgentCompactSet",
      request: MemAgentCompactConfig,
      response: Empty,
    },
    /** The sandbox and the guest. */
    CreateSandbox: {
      service: "grpc.AgentService",
      name: "CreateSandbox",
      request: CreateSandboxRequest,
      response: Empty,
    },
    DestroySandbox: {
      service: "grpc.AgentService",
      name: "DestroySandbox",
      request: DestroySandboxRequest,
      response: Empty,
    },
    OnlineCPUMem: { service: "grpc.AgentService", name: "OnlineCPUMem", request: OnlineCPUMemRequest, response: Empty },
    ReseedRandomDev: {
      service: "grpc.AgentService",
      name: "ReseedRandomDev",
      request: ReseedRandomDevRequest,
      response: Empty,
    },
    GetGuestDetails: {
      service: "grpc.AgentService",
      name: "GetGuestDetails",
      request: GuestDetailsRequest,
      response: GuestDetailsResponse,
    },
    MemHotplugByProbe: {
      service: "grpc.AgentService",
      name: "MemHotplugByProbe",
      request: MemHotplugByProbeRequest,
      response: Empty,
    },
    SetGuestDateTime: {
      service: "grpc.AgentService",
      name: "SetGuestDateTime",
      request: SetGuestDateTimeRequest,
      response: Empty,
    },
    CopyFile: { service: "grpc.AgentService", name: "CopyFile", request: CopyFileRequest, response: Empty },
    GetOOMEvent: { service: "grpc.AgentService", name: "GetOOMEvent", request: GetOOMEventRequest, response: OOMEvent },
    AddSwap: { service: "grpc.AgentService", name: "AddSwap", request: AddSwapRequest, response: Empty },
    AddSwapPath: { service: "grpc.AgentService", name: "AddSwapPath", request: AddSwapPathRequest, response: Empty },
    GetVolumeStats: {
      service: "grpc.AgentService",
      name: "GetVolumeStats",
      request: VolumeStatsRequest,
      response: VolumeStatsResponse,
    },
    ResizeVolume: { service: "grpc.AgentService", name: "ResizeVolume", request: ResizeVolumeRequest, response: Empty },
    SetPolicy: { service: "grpc.AgentService", name: "SetPolicy", request: SetPolicyRequest, response: Empty },
  },
} as const satisfies ServiceDefinition;
