import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { run } from "../../guest/cli/ctl.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { createIdentities } from "../rpc/identities.ts";
import { openTestPort, type TestPort } from "../rpc/test-port.ts";
import { runCommand } from "./command-under-test.ts";

const folder = mkdtempSync(join(tmpdir(), "podkeep-ctl-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ctl = (args: readonly string[], stdin = "") => runCommand(run, args, stdin);

function at(port: TestPort): string[] {
  return ["--plain", "--address", `127.0.0.1:${port.address.port}`];
}

function fileWith(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

test.each(["ttrpc", "grpc"])("calls a method over %s and prints the answer", async (protocol) => {
  await using port = await openTestPort();
  for (const name of ["Check", "grpc.Health/Check"]) {
    expect(await ctl([...at(port), "--protocol", protocol, name])).toEqual({
      exitCode: 0,
      stdout: '{\n  "status": 1\n}\n',
      stderr: "",
    });
  }
});

test.each(["argument", "file", "standard input"])("takes the request from the %s, exactly", async (source) => {
  const seen: unknown[] = [];
  await using port = await openTestPort({
    handlers: {
      CopyFile: (request) => {
        seen.push(request);
        return {};
      },
    },
  });
  const json = '{"path": "/a", "offset": 9007199254740993, "data": [1, 2], "file_size": "3"}';
  const request = { argument: json, file: `@${fileWith("request.json", json)}`, "standard input": "-" }[source] ?? "";
  expect(await ctl([...at(port), "CopyFile", request], json)).toMatchObject({ exitCode: 0, stdout: "{}\n" });
  expect(seen).toMatchObject([{ path: "/a", offset: 2n ** 53n + 1n, data: Uint8Array.of(1, 2), file_size: 3n }]);
});

test("prints bytes in base64 and 64-bit numbers with all digits", async () => {
  await using port = await openTestPort({
    handlers: {
      ReadStdout: () => ({ data: Buffer.from("hello") }),
      GetGuestDetails: () => ({ mem_block_size_bytes: 2n ** 64n - 1n }),
    },
  });
  expect((await ctl([...at(port), "ReadStdout"])).stdout).toContain('"data": "aGVsbG8="');
  expect((await ctl([...at(port), "GetGuestDetails"])).stdout).toContain(
    '"mem_block_size_bytes": 18446744073709551615',
  );
});

test("a refused call is exit code 1 with code and message", async () => {
  await using port = await openTestPort({
    handlers: {
      SetPolicy: () => {
        throw new GuestError("permission-denied", '"SetPolicyRequest is blocked by policy: "');
      },
    },
  });
  expect(await ctl([...at(port), "SetPolicy"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: 'permission-denied: "SetPolicyRequest is blocked by policy: "\n',
  });
});

test("a call that takes too long is exit code 1", async () => {
  await using port = await openTestPort({ handlers: { WaitProcess: () => new Promise(() => {}) } });
  const result = await ctl([...at(port), "--timeout", "0.05", "WaitProcess"]);
  expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("deadline-exceeded") });
});

test("connects with TLS files", async () => {
  const { server, client, stranger } = createIdentities();
  await using port = await openTestPort({ tls: server });
  const address = ["--address", `127.0.0.1:${port.address.port}`];
  const ca = ["--tls-ca", fileWith("ca.pem", client.ca), "--server-name", client.serverName ?? ""];
  const own = ["--tls-cert", fileWith("c.pem", client.cert ?? ""), "--tls-key", fileWith("c.key", client.key ?? "")];
  const foreign = ["--tls-cert", fileWith("s.pem", stranger.cert), "--tls-key", fileWith("s.key", stranger.key)];
  expect(await ctl([...address, ...ca, ...own, "Check"])).toMatchObject({ exitCode: 0 });
  expect(await ctl([...address, ...ca, ...foreign, "Check"])).toMatchObject({ exitCode: 1 });
  expect(await ctl([...address, ...ca, "--server-name", "other", ...own, "Check"])).toMatchObject({ exitCode: 3 });
});

describe("exit codes", () => {
  test.each(["ttrpc", "grpc"])(
    "3 when nobody listens, %s",
    async (protocol) => {
      const port = await openTestPort();
      await port[Symbol.asyncDispose]();
      expect(await ctl([...at(port), "--protocol", protocol, "Check"])).toMatchObject({ exitCode: 3, stdout: "" });
      const missing = `unix://${join(folder, "missing.sock")}`;
      expect(await ctl(["--address", missing, "Check"])).toMatchObject({ exitCode: 3 });
    },
    30_000,
  );

  test.each<[string, string[]]>([
    ["no method", []],
    ["an unknown method", ["Chekc"]],
    ["too many arguments", ["Check", "{}", "{}"]],
    ["an unknown option", ["--nope", "Check"]],
    ["an unknown protocol", ["--plain", "--protocol", "http", "Check"]],
    ["an unknown address", ["--plain", "--address", "nowhere", "Check"]],
    ["a socket without a path", ["--address", "unix://", "Check"]],
    ["TCP without a word on TLS", ["Check"]],
    ["TCP both with and without TLS", ["--plain", "--tls-ca", "/dev/null", "Check"]],
    ["a certificate without key", ["--tls-ca", "/dev/null", "--tls-cert", "/dev/null", "Check"]],
    ["a time that is none", ["--plain", "--timeout", "soon", "Check"]],
    ["a time that no timer holds", ["--plain", "--timeout", "1e10", "Check"]],
    ["broken JSON", ["--plain", "Check", "{"]],
    ["an unknown member", ["--plain", "Check", '{"servce": ""}']],
    ["a missing file", ["--plain", "Check", "@/nonexistent/request.json"]],
  ])("2 for %s, and nothing on standard output", async (_what, args) => {
    const { exitCode, stdout, stderr } = await ctl(args);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^podkeep ctl: ./);
  });

  test("0 for --help and --list", async () => {
    expect(await ctl(["--help"])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("usage:") });
    const { exitCode, stdout } = await ctl(["--list"]);
    const names = stdout.trimEnd().split("\n");
    expect(exitCode).toBe(0);
    expect(names).toContain("grpc.AgentService/CreateContainer");
    expect(names).toContain("api.GetResourceService/GetResource");
    // Bare names tell the methods apart.
    expect(new Set(names.map((name) => name.split("/")[1])).size).toBe(names.length);
  });
});
