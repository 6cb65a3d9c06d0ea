import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { writeBundles } from "../../image/bundle.ts";
import { initdataWith } from "../scenarios/pod-fixture.ts";
import { writeStackFiles } from "../stack/stack.ts";
import { eventually } from "../sys/support.ts";
import { daemonNames, readUnit } from "./units.ts";

const project = resolve(import.meta.dirname, "../..");
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("test/image: the daemons of the units need root to start");
const hasStrace = existsSync("/usr/bin/strace");
if (!hasStrace) console.warn("test/image: no strace; how Node asks for random numbers is not looked at");
const hasAnalyzer = existsSync("/usr/bin/systemd-analyze");
if (!hasAnalyzer) console.warn("test/image: no systemd-analyze; the exposure of the units is not computed");

/** What a host could have put into the environment, if it reached it. */
const hostileEnvironment = {
  NODE_OPTIONS: "--inspect=127.0.0.1:0 --report-on-signal --heapsnapshot-signal=SIGUSR2",
  NODE_PATH: "/tmp",
  NODE_EXTRA_CA_CERTS: "/tmp/ca.pem",
};

/** Signal 10 in the masks of the kernel. */
const sigusr1 = 1n << 9n;

describe.skipIf(!isRoot)("a daemon, started as its unit starts it", () => {
  const bundles = mkdtempSync(join(tmpdir(), "podkeep-bundles-"));
  let stack: Awaited<ReturnType<typeof writeStackFiles>>;
  let hub: ChildProcess;
  let output = "";

  beforeAll(async () => {
    await writeBundles(bundles);
    stack = await writeStackFiles({ initdata: initdataWith({}) });
    execFileSync(...commandOf("provision"));
    const [program, args, options] = commandOf("hub");
    // The limits of the unit are the shell's part here.
    const limits = readUnit("hub").values("LimitCORE").join("");
    hub = spawn("/bin/sh", ["-c", `ulimit -c ${limits}; exec "$0" "$@"`, program, ...args], options);
    for (const stream of [hub.stdout, hub.stderr]) stream?.setEncoding("utf8").on("data", (text) => (output += text));
    await eventually(() => output.includes("hub serves"));
  }, 60_000);
  afterAll(async () => {
    if (hub.exitCode === null) {
      hub.kill("SIGKILL");
      await once(hub, "exit");
    }
    removePersistentNamespace(stack.networkNamespace);
    for (const folder of [bundles, stack.directory]) rmSync(folder, { recursive: true, force: true });
  });

  /** ExecStart with this machine's Node, and an environment from which the unit has taken what it takes. */
  function commandOf(name: (typeof daemonNames)[number]): [string, string[], { env: NodeJS.ProcessEnv }] {
    const { command, unsetVariables } = readUnit(name);
    const [, ...args] = command.map((word) => word.replace("/usr/lib/podkeep/", `${bundles}/`));
    const env: NodeJS.ProcessEnv = { PATH: process.env["PATH"], ...hostileEnvironment };
    for (const variable of unsetVariables) delete env[variable];
    return [process.execPath, [...args, "--config", stack.configuration], { env }];
  }

  test("threat 75: SIGUSR1 opens no inspector, and NODE_OPTIONS reaches nobody", async () => {
    const before = listeners(hub.pid);
    hub.kill("SIGUSR1");
    // Node keeps the signal blocked, and nobody takes it.
    await eventually(() => (pendingSignals(hub.pid) & sigusr1) !== 0n);
    expect(listeners(hub.pid)).toEqual(before);
    expect(hub.exitCode).toBeNull();
    expect(output).not.toContain("Debugger");
    expect(readFileSync(`/proc/${hub.pid}/environ`, "latin1")).not.toContain("NODE_");
  });

  test("threat 75: it leaves no core file", () => {
    expect(readFileSync(`/proc/${hub.pid}/limits`, "utf8")).toMatch(/^Max core file size +0 +0 /m);
  });
});

test.each(daemonNames)("threat 75: %s: no diagnostics of Node by signal, environment or core file", (name) => {
  const { command, unsetVariables, values } = readUnit(name);
  expect(command).toContain("--disable-sigusr1");
  expect(command.filter((word) => /inspect|report|heap|prof/.test(word))).toEqual([]);
  expect(unsetVariables).toEqual(expect.arrayContaining(["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS"]));
  expect(values("PassEnvironment")).toEqual([]);
  expect(values("EnvironmentFile")).toEqual([]);
  // The agent's containers may set theirs: `soft:hard`.
  expect(values("LimitCORE").join("")).toMatch(/^0(:infinity)?$/);
});

test("threat 75: nor in the lean image, where the kernel's command line can set variables", () => {
  const init = readFileSync(join(project, "image/lean/tree/usr/lib/podkeep/lean-init"), "utf8");
  const [, unset = ""] = /^unset (.+)$/m.exec(init) ?? [];
  expect(unset.split(" ")).toEqual(readUnit("agent").unsetVariables);
  expect(init.indexOf("unset ")).toBeLessThan(init.indexOf("/usr/lib/podkeep/node"));
  expect(init).toContain("--disable-sigusr1");
});

test("threat 75: core files go nowhere, in the whole VM", () => {
  const settings = readFileSync(join(project, "image/tree/usr/lib/sysctl.d/60-podkeep.conf"), "utf8");
  expect(settings).toMatch(/^kernel\.core_pattern = \|\/usr\/bin\/false$/m);
  expect(settings).toMatch(/^fs\.suid_dumpable = 0$/m);
  expect(settings).toMatch(/^kernel\.yama\.ptrace_scope = 1$/m);
});

test.skipIf(!hasStrace)("threat 103: keys wait for the kernel's random numbers", () => {
  const makeKey = "require('crypto').generateKeyPairSync('ec', { namedCurve: 'P-256' })";
  const trace = ["-f", "-qq", "-e", "trace=getrandom,openat", process.execPath, "-e", makeKey];
  const { stderr } = spawnSync("/usr/bin/strace", trace, { encoding: "utf8" });
  // Without GRND_NONBLOCK and GRND_INSECURE the call waits until the pool is ready. V8 seeds Math.random its own way.
  const calls = [...stderr.matchAll(/getrandom\(.*, (\d+), (\S+)\)/g)].map(([, bytes, flags]) => ({ bytes, flags }));
  expect(calls.filter(({ bytes, flags }) => Number(bytes) >= 32 && flags === "0").length).toBeGreaterThan(0);
  expect(stderr).not.toContain("GRND_INSECURE");
});

test("threat 103: nothing of the guest makes random numbers another way", () => {
  const files = readdirSync(join(project, "guest"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const users = files.filter((name) => readFileSync(join(project, "guest", name), "utf8").includes("Math.random"));
  // It spreads repeated requests in time, no more.
  expect(users).toEqual(["kbs/timing.ts"]);
});

describe("threat 130: a container that has got out finds little to take", () => {
  test.skipIf(!hasAnalyzer).each([
    // What they mount the agent's containers have to see, so none has a mount namespace of its own.
    ["hub", 7],
    ["provision", 7],
    ["refresh", 7],
  ] as const)("the unit of %s is exposed to no more than %d of 10, in systemd's own reckoning", (name, most) => {
    const args = ["security", "--offline=true", `--threshold=${most * 10}`, readUnit(name).file];
    const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect(status, `${stdout.split("\n").slice(-2)}${stderr}`).toBe(0);
  });

  test.each(["hub", "provision", "refresh"] as const)(
    "%s gains no privileges, loads no modules, traces nobody",
    (name) => {
      const { values } = readUnit(name);
      expect(values("NoNewPrivileges")).toEqual(["yes"]);
      const capabilities = values("CapabilityBoundingSet").join(" ");
      expect(capabilities).toMatch(/^~/);
      for (const one of [
        "CAP_SYS_MODULE",
        "CAP_SYS_PTRACE",
        "CAP_SYS_BOOT",
        "CAP_SYS_TIME",
        "CAP_BPF",
        "CAP_SYS_RAWIO",
      ])
        expect(capabilities.split(/[ ~]+/)).toContain(one);
      const calls = values("SystemCallFilter").join(" ").split(" ");
      expect(calls[0]?.startsWith("~")).toBe(true);
      for (const group of ["@module", "@reboot", "@debug", "@raw-io", "@swap"])
        expect(calls.map((call) => call.replace("~", ""))).toContain(group);
    },
  );

  test.each(daemonNames)("what %s writes is for root only", (name) => {
    expect(readUnit(name).values("UMask")).toEqual(["0077"]);
  });
});

/** Inodes of the TCP sockets that a process listens on: an inspector would be one. */
function listeners(pid: number | undefined): readonly string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  const listening = "0A";
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === listening && own.has(`socket:[${columns[9]}]`))
    .map((columns) => columns[9] ?? "");
}

/** Signals that wait to be delivered, as the kernel's bit mask. */
function pendingSignals(pid: number | undefined): bigint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return BigInt(`0x${/^ShdPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}
