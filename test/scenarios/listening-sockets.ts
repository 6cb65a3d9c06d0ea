import { findProgram, runToSuccess } from "../../guest/sys/program.ts";

/** Sockets of a network namespace that take what comes, each as `address:port`, in order of their text. */
export interface ListeningSockets {
  readonly tcp: readonly string[];
  /** All bound ones, those of the kernel's tunnels among them. */
  readonly udp: readonly string[];
}

const tcpListen = "0A";
const anyRemote = /^0+:0000$/;

/** Reads /proc/net of a namespace. */
export async function listeningSockets(namespace: string): Promise<ListeningSockets> {
  const read = async (...tables: string[]): Promise<string[][]> => {
    const files = tables.map((table) => `/proc/net/${table}`);
    const text = await runToSuccess(findProgram("cat"), files, { networkNamespace: namespace });
    const lines = text.toString().trim().split("\n");
    return lines.map((line) => line.trim().split(/\s+/)).filter(([number]) => /^\d+:$/.test(number ?? ""));
  };
  const tcp = (await read("tcp", "tcp6")).filter(([, , , state]) => state === tcpListen);
  const udp = (await read("udp", "udp6")).filter(([, , remote]) => anyRemote.test(remote ?? ""));
  return { tcp: tcp.map(([, local]) => readable(local)).sort(), udp: udp.map(([, local]) => readable(local)).sort() };
}

/** `0100007F:1F46` of /proc/net/tcp: an address as words in the machine's order, little-endian here, and a port. */
function readable(local = ""): string {
  const [address = "", port = ""] = local.split(":");
  const number = Number.parseInt(port, 16);
  if (address.length !== 8) return `[${address}]:${number}`;
  return `${[...Buffer.from(address, "hex")].reverse().join(".")}:${number}`;
}
