import { runProgram, runToSuccess } from "../../guest/sys/program.ts";

/** A UDP packet that a test sends. */
export interface UdpPacket {
  /** The sender's address; the one of the route when absent. */
  readonly from?: string;
  readonly to: string;
  readonly port: number;
  readonly data: Buffer;
}

/** Where packets are waited for. */
export interface UdpReceiver {
  readonly namespace: string;
  readonly port: number;
}

/**
 * Sends packets in their order, again and again, until one with the text "end" has arrived. So what is missing from the result
 * was sent before and has not come through.
 *
 * @param sender namespace that they are sent from
 * @returns texts that arrived, up to the dots that make them long
 */
export async function arriving(
  { namespace, port }: UdpReceiver,
  sender: string,
  packets: readonly UdpPacket[],
): Promise<string[]> {
  const hexPackets = packets.map(({ data, ...packet }) => ({ ...packet, data: data.toString("hex") }));
  const send = `const packets = ${JSON.stringify(hexPackets)};
    const sockets = packets.map(({ from }) => require("dgram").createSocket("udp4").on("error", () => {})
      .bind(0, from, function () { this.setBroadcast(true); }));
    setInterval(() => packets.forEach(({ to, port, data }, index) =>
      sockets[index].send(Buffer.from(data, "hex"), port, to)), 100);`;
  const listen = `require("dgram").createSocket("udp4").on("message", (message) => {
    const text = message.toString().replace(/ ?\\.*$/, "");
    console.log(text);
    if (text === "end") process.exit();
  }).bind(${port})`;
  const done = new AbortController();
  const sending = runProgram(process.execPath, ["-e", send], { networkNamespace: sender, signal: done.signal });
  try {
    const received = await runToSuccess(process.execPath, ["-e", listen], { networkNamespace: namespace });
    return received.toString().trim().split("\n");
  } finally {
    done.abort();
    await sending.catch(() => {}); // it has been cancelled
  }
}
