import { afterEach, expect, test } from "vitest";
import { createAzureMetadataService } from "../../../guest/attest/azure/metadata-service.ts";
import { HttpClient } from "../../../guest/sys/http-client.ts";
import { toPem } from "../certificates.ts";
import { FakeAmd } from "../snp/fake-amd.ts";
import { FakeMetadataService } from "./fake-azure.ts";

const signal = new AbortController().signal;
const noPause = async (): Promise<void> => {};
const clients: HttpClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function connect({ origin }: FakeMetadataService): ReturnType<typeof createAzureMetadataService> {
  const client = new HttpClient();
  clients.push(client);
  return createAzureMetadataService(client, noPause, origin);
}

test("the VCEK comes as PEM beside other members", async () => {
  const { vcek } = new FakeAmd();
  await using service = await FakeMetadataService.start(() => ({
    status: 200,
    body: JSON.stringify({ vcekCert: toPem(vcek.data), certificateChain: "", tcbm: "DB18000000000004" }),
  }));
  expect(Buffer.from(await connect(service).getVcek(signal))).toEqual(Buffer.from(vcek.data));
  expect(service.requests).toEqual([
    { method: "GET", path: "/metadata/THIM/amd/certification", metadataHeader: "true", body: "" },
  ]);
});

test("a TD quote is asked for in standard base64 and, when that is refused, in base64url", async () => {
  const report = Buffer.alloc(1024, 0xfb);
  await using service = await FakeMetadataService.start(({ body }) =>
    body.includes("+") ? { status: 400, body: "" } : { status: 200, body: '{"quote":"-_8"}' },
  );
  expect(await connect(service).getTdQuote(report, signal)).toEqual(Buffer.of(0xfb, 0xff));
  expect(service.requests.map(({ body }) => JSON.parse(body).report)).toEqual([
    report.toString("base64"),
    report.toString("base64url"),
  ]);
});

test("an overloaded service is asked again, a bounded number of times", async () => {
  let busy = 3;
  await using service = await FakeMetadataService.start(() =>
    busy-- > 0 ? { status: 429, body: "" } : { status: 200, body: '{"quote":"AAAA"}' },
  );
  expect(await connect(service).getTdQuote(Buffer.alloc(1024), signal)).toHaveLength(3);
  busy = 1000;
  await expect(connect(service).getVcek(signal)).rejects.toMatchObject({ code: "unavailable" });
  expect(service.requests).toHaveLength(4 + 5);
});

test.each([
  ["no JSON", 200, "<html>"],
  ["no certificate", 200, "{}"],
  ["a certificate that can't be read", 200, '{"vcekCert":"-----BEGIN CERTIFICATE-----"}'],
  ["a refusal", 403, '{"vcekCert":""}'],
])("an answer with %s is an error", async (_name, status, body) => {
  await using service = await FakeMetadataService.start(() => ({ status, body }));
  await expect(connect(service).getVcek(signal)).rejects.toMatchObject({ name: "GuestError" });
});

test("a huge answer is cut off, and a redirect to another host is not followed", async () => {
  await using huge = await FakeMetadataService.start(() => ({ status: 200, body: "x".repeat(1_000_000) }));
  await expect(connect(huge).getVcek(signal)).rejects.toMatchObject({ code: "resource-exhausted" });
  await using target = await FakeMetadataService.start(() => ({ status: 200, body: "{}" }));
  await using service = await FakeMetadataService.start(() => ({ status: 307, body: "", location: target.origin }));
  await expect(connect(service).getVcek(signal)).rejects.toMatchObject({ code: "unavailable" });
  expect(target.requests).toEqual([]);
});
