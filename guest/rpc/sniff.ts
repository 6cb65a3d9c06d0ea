import type { Socket } from "node:net";

/** What the first byte of a connection tells (spec/ttrpc.md 10): clients of all three always speak first. */
export type FirstProtocol = "tls" | "ttrpc" | "http2" | "unknown";

/** First bytes of a TLS handshake record, of a ttRPC frame (whose length never needs its top byte), and of `PRI * HTTP/2.0`. */
const protocols: ReadonlyMap<number, FirstProtocol> = new Map([
  [0x16, "tls"],
  [0x00, "ttrpc"],
  [0x50, "http2"],
]);

/**
 * Waits for the first bytes of a connection and puts them back. HTTP/1 methods that begin like HTTP/2's preface are told
 * apart when their second byte is there, and by the HTTP/2 library otherwise.
 *
 * @param timeoutMs how long to wait; 0 is for ever
 * @returns `unknown` also when the connection ends or the time is over before a byte came
 */
export function sniffProtocol(socket: Socket, timeoutMs: number): Promise<FirstProtocol> {
  return new Promise((resolve) => {
    const timer = timeoutMs > 0 ? setTimeout(() => settle("unknown"), timeoutMs) : undefined;
    const onEnd = () => settle("unknown");
    const onReadable = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      socket.unshift(chunk);
      settle(protocolOf(chunk));
    };
    const settle = (protocol: FirstProtocol) => {
      clearTimeout(timer);
      socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd);
      resolve(protocol);
    };
    socket.on("readable", onReadable).on("end", onEnd).on("close", onEnd);
  });
}

function protocolOf(bytes: Buffer): FirstProtocol {
  const protocol = protocols.get(bytes[0] ?? -1) ?? "unknown";
  const isOtherMethod = protocol === "http2" && bytes.length > 1 && bytes[1] !== 0x52;
  return isOtherMethod ? "unknown" : protocol;
}
