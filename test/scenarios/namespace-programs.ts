import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { inNamespace } from "../../guest/sys/namespace.ts";
import { runToSuccess } from "../../guest/sys/program.ts";
import { listenTcp } from "../../guest/sys/socket.ts";
import { ip } from "../network/support.ts";

/** A script that answers one read request of TFTP with one block (RFC 1350), which a busybox can ask for by UDP. */
export function tftpServer(text: string): string {
  const firstAndLastBlock = `00030001${Buffer.from(text).toString("hex")}`;
  return `const s = require("dgram").createSocket("udp4");
    s.on("message", (m, r) => m[1] === 4 ? s.close() : s.send(Buffer.from("${firstAndLastBlock}", "hex"), r.port, r.address));
    s.bind(6969)`;
}

/** The text of a page, asked for until somebody answers. */
export async function fetchFrom(namespace: string, url: string): Promise<string> {
  return runScript(
    namespace,
    `const go = (tries) => fetch("${url}").then((r) => r.text()).then((text) => console.log(text.trim()))
       .catch((e) => { if (tries === 0) throw e; setTimeout(() => go(tries - 1), 100); }); go(100);`,
  );
}

/** What a line of JavaScript prints in a namespace. */
export async function runScript(namespace: string, script: string): Promise<string> {
  const printed = await runToSuccess(process.execPath, ["-e", script], { networkNamespace: namespace });
  return printed.toString().trim();
}

/** Where a page is served. */
export interface ServedPage {
  readonly namespace: string;
  /** An address; one that isn't loopback's is given to the namespace. */
  readonly host: string;
  readonly port: number;
  readonly page: string;
}

/** Serves a page at every path. */
export async function startPage({ namespace, host, port, page }: ServedPage): Promise<AsyncDisposable> {
  if (!host.startsWith("127.")) await ip(namespace, `address add ${host}/32 dev lo`);
  const server = createServer((_request, response) => response.end(page));
  const fd = listenTcp({ host, port, networkNamespace: namespace });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sets what /proc/sys/net/ipv4/conf says in a namespace. @param name such as `all/rp_filter` */
export function setIpv4(namespace: string, name: string, value: string): void {
  inNamespace("net", namespace, () => writeFileSync(`/proc/sys/net/ipv4/conf/${name}`, value));
}
