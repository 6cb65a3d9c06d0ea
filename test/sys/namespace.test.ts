import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readFileBounded } from "../../guest/sys/file.ts";
import { bringLoopbackUp } from "../../guest/sys/loopback.ts";
import { isMountPoint } from "../../guest/sys/mount.ts";
import {
  createPersistentNamespace,
  inNamespace,
  namespaceInode,
  removePersistentNamespace,
  setHostname,
} from "../../guest/sys/namespace.ts";
import { findProgram, runProgram, runToSuccess } from "../../guest/sys/program.ts";
import { boundPort, listenTcp } from "../../guest/sys/socket.ts";
import { isRoot } from "./root.ts";
import { failureOf, temporaryDirectory } from "./support.ts";

/** The module under test, for processes of their own. */
const module = new URL("../../guest/sys/namespace.ts", import.meta.url).href;
const made: string[] = [];

function namespace(kind: "ipc" | "uts" | "net", setUp?: () => void): string {
  const file = path.join(temporaryDirectory(), kind);
  made.push(file);
  createPersistentNamespace(kind, file, setUp);
  return file;
}

afterEach(() => {
  for (const file of made.splice(0)) removePersistentNamespace(file);
});

const own = (kind: string): bigint => namespaceInode(`/proc/thread-self/ns/${kind}`);

test("without the right to enter or make namespaces the failure is told, and nothing is left", async () => {
  const directory = temporaryDirectory();
  const script = `
    import { createPersistentNamespace, inNamespace } from ${JSON.stringify(module)};
    for (const attempt of [
      () => createPersistentNamespace("net", ${JSON.stringify(path.join(directory, "net"))}),
      () => inNamespace("net", "/proc/self/ns/net", () => {}),
    ]) {
      try { attempt(); } catch (error) { console.log(error.message); }
    }`;
  const node = [process.execPath, ...process.execArgv, "--input-type=module", "--eval", script];
  const unprivileged = isRoot ? [findProgram("setpriv"), "--bounding-set", "-sys_admin", ...node] : node;
  const [program = "", ...args] = unprivileged;
  const result = await runProgram(program, args);
  expect(result).toMatchObject({ exitCode: 0, signal: null });
  expect(result.stdout.toString().match(/EPERM: Operation not permitted\n/g)).toHaveLength(2);
  expect(fs.readdirSync(directory)).toEqual([]);
});

describe.skipIf(!isRoot)("persistent namespaces", () => {
  for (const kind of ["ipc", "uts", "net"] as const) {
    test(`${kind}: made, entered, left, removed`, () => {
      const home = own(kind);
      const file = namespace(kind);
      expect(own(kind)).toBe(home);
      expect(namespaceInode(file)).not.toBe(home);
      expect(inNamespace(kind, file, () => own(kind))).toBe(namespaceInode(file));
      expect(own(kind)).toBe(home);
      expect(() =>
        inNamespace(kind, file, () => {
          throw new Error("inside");
        }),
      ).toThrow("inside");
      expect(own(kind)).toBe(home);
      removePersistentNamespace(file);
      removePersistentNamespace(file);
      expect(fs.existsSync(file)).toBe(false);
      expect(isMountPoint(file)).toBe(false);
    });
  }

  test("the host name of a new uts namespace is set inside only", () => {
    const before = os.hostname();
    const file = namespace("uts", () => setHostname("pod-1"));
    const read = (): string => readFileBounded("/proc/sys/kernel/hostname", 100).toString().trim();
    expect(inNamespace("uts", file, read)).toBe("pod-1");
    expect(read()).toBe(before);
    expect(failureOf(() => inNamespace("uts", file, () => setHostname("x".repeat(65)))).message).toMatch(/^EINVAL/);
  });

  test("a new network namespace gets its loopback interface up", async () => {
    const file = namespace("net", bringLoopbackUp);
    const output = await runToSuccess(findProgram("ip"), ["address", "show", "lo"], { networkNamespace: file });
    expect(output.toString()).toMatch(/[<,]UP[,>][\s\S]*inet 127\.0\.0\.1\/8/);
  });

  test("a set-up that fails leaves neither file nor namespace", () => {
    const home = own("net");
    const file = path.join(temporaryDirectory(), "net");
    expect(() =>
      createPersistentNamespace("net", file, () => {
        throw new Error("set-up");
      }),
    ).toThrow("set-up");
    expect(fs.existsSync(file)).toBe(false);
    expect(own("net")).toBe(home);
  });

  test("an existing file is not taken over", () => {
    const file = namespace("ipc");
    const inode = namespaceInode(file);
    expect(failureOf(() => createPersistentNamespace("ipc", file)).message).toMatch(/^EEXIST/);
    expect(namespaceInode(file)).toBe(inode);
  });

  test("a file that is no namespace, or one of another kind, is refused", () => {
    const file = path.join(temporaryDirectory(), "plain");
    fs.writeFileSync(file, "");
    expect(failureOf(() => inNamespace("net", file, () => 1)).message).toMatch(/^EINVAL/);
    expect(failureOf(() => inNamespace("net", namespace("uts"), () => 1)).message).toMatch(/^EINVAL/);
  });

  test("something asynchronous is a mistake, told at once", () => {
    expect(() => inNamespace("net", namespace("net"), async () => 1)).toThrow(TypeError);
  });
});

describe.skipIf(!isRoot)("across network namespaces", () => {
  test("a program runs in the one it is given", async () => {
    const file = namespace("net");
    const output = await runToSuccess(findProgram("ip"), ["-json", "link"], { networkNamespace: file });
    expect(JSON.parse(output.toString()).map((link: { ifname: string }) => link.ifname)).toEqual(["lo"]);
    expect(own("net")).not.toBe(namespaceInode(file));
  });

  test("a listener lives in the one it was made in, and answers from there only", async () => {
    const file = namespace("net");
    await runToSuccess(findProgram("ip"), ["link", "set", "lo", "up"], { networkNamespace: file });
    const fd = listenTcp({ host: "127.0.0.1", port: 0, networkNamespace: file });
    const port = boundPort(fd);
    const server = net.createServer((socket) => socket.end("from inside"));
    await new Promise<void>((resolve) => server.listen({ fd }, resolve));
    try {
      const client = `require("node:net").connect(${port}, "127.0.0.1").pipe(process.stdout)`;
      const heard = await runToSuccess(process.execPath, ["-e", client], { networkNamespace: file });
      expect(heard.toString()).toBe("from inside");
      await expect(connects(port)).resolves.toBe(false);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("listeners at home: both families, taken ports, bad addresses", async () => {
    const fd = listenTcp({ host: "127.0.0.1", port: 0 });
    const port = boundPort(fd);
    expect(failureOf(() => listenTcp({ host: "127.0.0.1", port })).message).toMatch(/^EADDRINUSE/);
    await expect(connects(port)).resolves.toBe(true);
    fs.closeSync(fd);
    const six = listenTcp({ host: "::1", port: 0 });
    expect(boundPort(six)).toBeGreaterThan(0);
    fs.closeSync(six);
    expect(failureOf(() => listenTcp({ host: "localhost", port: 0 })).message).toBe("not a numeric address: localhost");
    expect(() => listenTcp({ host: "127.0.0.1", port: 65_536 })).toThrow(RangeError);
    expect(failureOf(() => listenTcp({ host: "192.0.2.1", port: 0 })).message).toMatch(/^EADDRNOTAVAIL/);
  });
});

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
