import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeBundles } from "../../image/bundle.ts";

const project = resolve(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(project, name), "utf8");

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}
interface LockedPackage {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

// Both files are ours, of the shape that npm writes.
const manifest = JSON.parse(read("package.json")) as Manifest;
const { packages } = JSON.parse(read("package-lock.json")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};
const direct = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };

/** Packages whose code goes into the image, and what each of them brings. A new line here is a decision (docs/DEPENDENCIES.md). */
const bundled = [
  "@grpc/grpc-js",
  "@grpc/proto-loader",
  "@iarna/toml",
  "@js-sdsl/ordered-map",
  "@open-policy-agent/opa-wasm",
  "@protobufjs/aspromise",
  "@protobufjs/base64",
  "@protobufjs/codegen",
  "@protobufjs/eventemitter",
  "@protobufjs/fetch",
  "@protobufjs/float",
  "@protobufjs/path",
  "@protobufjs/pool",
  "@protobufjs/utf8",
  "graphql",
  "jose",
  "lodash.camelcase",
  "long",
  "protobufjs",
  "sprintf-js",
  "yaml",
];

/** Install scripts do not run (.npmrc). These have one and work without. */
const withIdleScripts = ["esbuild", "protobufjs"];

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

describe("threat 138: what is installed", () => {
  test("every dependency has its line, and one version", () => {
    const cells = read("docs/DEPENDENCIES.md")
      .split("\n")
      .filter((line) => line.startsWith("| "))
      .flatMap((line) => line.split("|")[1]?.split(",") ?? [])
      .map((cell) => cell.trim());
    for (const [name, version] of Object.entries(direct)) {
      expect(cells, `${name} in docs/DEPENDENCIES.md`).toContain(name);
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  test("everything that the daemons could load is pinned by its hash", () => {
    const unpinned = Object.entries(packages).filter(
      ([path, one]) => path !== "" && one.dev !== true && !/^sha512-/.test(one.integrity ?? ""),
    );
    expect(unpinned.map(([path]) => path)).toEqual([]);
    // Formatters for other machines: npm writes down the hash of what it has downloaded.
    const developers = Object.entries(packages).filter(([path, one]) => path !== "" && one.integrity === undefined);
    expect(developers.filter(([path]) => !path.includes("@biomejs/cli-"))).toEqual([]);
  });

  test("no package runs a script when it is installed", () => {
    expect(read(".npmrc")).toMatch(/^ignore-scripts=true$/m);
    const scripts = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect([...new Set(scripts.map(([path]) => nameOf(path)))].sort()).toEqual(withIdleScripts);
  });

  test("no package of the daemons has native code", () => {
    const running = Object.entries(packages).filter(([path, one]) => path !== "" && one.dev !== true && !one.optional);
    for (const [path] of running) {
      const files = readdirSync(join(project, path), { recursive: true, encoding: "utf8" });
      expect(
        files.filter((file) => /\.(node|so|dll|dylib)$/.test(file)),
        path,
      ).toEqual([]);
    }
  });
});

describe("threat 138: what goes into the image", () => {
  test("the same bytes twice, of agreed packages only", async () => {
    const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), "podkeep-bundles-")));
    onTestFinished(() => {
      for (const folder of folders) rmSync(folder, { recursive: true });
    });
    for (const folder of folders) await writeBundles(folder);
    const [first = "", second = ""] = folders;
    expect(readdirSync(first).sort()).toEqual(readdirSync(second).sort());
    const found = new Set<string>();
    for (const name of readdirSync(first)) {
      const text = readFileSync(join(first, name), "latin1");
      expect(text === readFileSync(join(second, name), "latin1"), name).toBe(true);
      // The bundler says in a comment where each part is from.
      for (const [, path = ""] of text.matchAll(/^ *\/\/ (node_modules\/\S+)$/gm)) found.add(packageOf(path));
    }
    expect([...found].filter((name) => !bundled.includes(name))).toEqual([]);
    expect(found).toContain("jose");
  });
});

/** `node_modules/a/node_modules/@b/c/d.js` is of `@b/c`. */
function packageOf(path: string): string {
  const words = nameOf(path).split("/");
  return words.slice(0, words[0]?.startsWith("@") ? 2 : 1).join("/");
}
