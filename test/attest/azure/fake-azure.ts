import { createHash, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { azureTpm } from "../../../guest/attest/azure/vtpm.ts";
import { writeNv } from "../../../guest/sys/tpm/nv.ts";
import { readPublicKey } from "../../../guest/sys/tpm/public-key.ts";
import { Tpm } from "../../../guest/sys/tpm/tpm.ts";
import type { TpmTransport } from "../../../guest/sys/tpm/transport.ts";
import { SoftwareTpm } from "../../sys/tpm/software-tpm.ts";

/** Makes a hardware report (1184 bytes, or a TDREPORT of 1024) over 64 bytes. */
export type MakeHardwareReport = (reportData: Uint8Array) => Uint8Array;

/** An HCL report as the paravisor lays it out. */
export function createHclReport(options: {
  readonly reportType: number;
  readonly makeHardwareReport: MakeHardwareReport;
  readonly attestationKey: KeyObject;
  readonly userData?: Uint8Array;
}): Buffer {
  const { n, e, kty } = options.attestationKey.export({ format: "jwk" });
  const data = Buffer.from(
    JSON.stringify({
      keys: [{ kid: "HCLAkPub", key_ops: ["sign"], kty, e, n }],
      "vm-configuration": { "console-enabled": true, "secure-boot": true, "tpm-enabled": true, vmUniqueId: "1" },
      ...(options.userData === undefined
        ? {}
        : {
            "user-data": Buffer.concat([options.userData, Buffer.alloc(64)], 64)
              .toString("hex")
              .toUpperCase(),
          }),
    }),
  );
  const digest = createHash("sha256").update(data).digest();
  const report = Buffer.alloc(1236 + data.length);
  report.write("HCLA", 0, "latin1");
  report.writeUInt32LE(2, 4);
  report.writeUInt32LE(1236 + data.length, 8);
  report.writeUInt32LE(2, 12);
  report.set(options.makeHardwareReport(Buffer.concat([digest, Buffer.alloc(32)])), 32);
  report.writeUInt32LE(20 + data.length, 1216);
  report.writeUInt32LE(1, 1220);
  report.writeUInt32LE(options.reportType, 1224);
  report.writeUInt32LE(1, 1228);
  report.writeUInt32LE(data.length, 1232);
  report.set(data, 1236);
  return report;
}

/** A vTPM as Azure's paravisor provides it: swtpm, with a report that is made anew some time after user data was written. */
export class FakeVtpm implements AsyncDisposable {
  readonly tpm: Tpm;
  readonly software: SoftwareTpm;
  readonly #report: (userData: Uint8Array) => Uint8Array;
  /** How often the report is looked at until it is refreshed. */
  looksUntilRefresh = 0;
  #pending: Uint8Array | undefined;
  #looks = 0;

  private constructor(software: SoftwareTpm, report: (userData: Uint8Array) => Uint8Array) {
    this.software = software;
    this.#report = report;
    const transport: TpmTransport = { exchange: (command) => this.#exchange(command), close: async () => {} };
    this.tpm = new Tpm(transport);
  }

  static async start(reportType: number, makeHardwareReport: MakeHardwareReport): Promise<FakeVtpm> {
    const software = await SoftwareTpm.start();
    await software.provisionAttestationKey(azureTpm.attestationKey);
    const { publicKey } = await readPublicKey(software.tpm, azureTpm.attestationKey);
    const report = (userData: Uint8Array): Uint8Array =>
      createHclReport({ reportType, makeHardwareReport, attestationKey: publicKey, userData });
    await software.provisionNv(azureTpm.hclReportIndex, report(Buffer.alloc(64)));
    return new FakeVtpm(software, report);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.software[Symbol.asyncDispose]();
  }

  async #exchange(command: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(command);
    const code = bytes.readUInt32BE(6);
    if (code === 0x169 && bytes.readUInt32BE(10) === azureTpm.hclReportIndex) await this.#look();
    const answer = await this.software.transport.exchange(command);
    const isUserData = code === 0x137 && bytes.readUInt32BE(14) === azureTpm.userDataIndex;
    // Behind header, two handles and the password stands the data with its length.
    if (isUserData) this.#pending = bytes.subarray(33, 33 + bytes.readUInt16BE(31));
    if (isUserData) this.#looks = 0;
    return answer;
  }

  async #look(): Promise<void> {
    if (this.#pending === undefined || this.#looks++ < this.looksUntilRefresh) return;
    const report = this.#report(this.#pending);
    this.#pending = undefined;
    for (let offset = 0; offset < report.length; offset += 1024) {
      await writeNv(this.software.tpm, azureTpm.hclReportIndex, report.subarray(offset, offset + 1024), offset);
    }
  }
}

/** What the metadata service got. */
export interface MetadataRequest {
  readonly method: string;
  readonly path: string;
  readonly metadataHeader: string | undefined;
  readonly body: string;
}

/** A metadata service on loopback. */
export class FakeMetadataService implements AsyncDisposable {
  readonly requests: MetadataRequest[] = [];
  readonly origin: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    // A TCP server that listens has an address of this kind.
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(
    respond: (request: MetadataRequest) => {
      readonly status: number;
      readonly body: string;
      readonly location?: string;
    },
  ): Promise<FakeMetadataService> {
    const server = createServer(async (incoming, outgoing) => {
      const request = await readRequest(incoming);
      service.requests.push(request);
      const { status, body, location } = respond(request);
      outgoing.writeHead(status, location === undefined ? {} : { location }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const service = new FakeMetadataService(server);
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function readRequest(incoming: IncomingMessage): Promise<MetadataRequest> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece);
  const metadata = incoming.headers["metadata"];
  return {
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    metadataHeader: typeof metadata === "string" ? metadata : undefined,
    body: Buffer.concat(pieces).toString(),
  };
}
