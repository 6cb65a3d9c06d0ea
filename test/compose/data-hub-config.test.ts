import { expect, test } from "vitest";
import { defaultConfiguration } from "../../guest/compose/configuration.ts";
import { dataHubConfigOf, dataHubSocketOf, imageStoreOf } from "../../guest/compose/data-hub-config.ts";
import { parseInitdata } from "../../guest/initdata/initdata.ts";
import { bytesOf } from "../initdata/documents.ts";

const { hub } = defaultConfiguration;
const head = 'algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n';

/** Socket and image store of a pod with this cdh.toml. */
function placesOf(cdh: string | undefined): readonly string[] {
  const document = cdh === undefined ? head : `${head}"cdh.toml" = '''\n${cdh}'''\n`;
  const initdata = parseInitdata(bytesOf(document));
  return [dataHubSocketOf(initdata, hub), imageStoreOf(dataHubConfigOf(initdata), hub)];
}

test("socket and image store of the data hub are where the initdata's cdh.toml says", () => {
  const kbc = '[kbc]\nname = "offline_fs_kbc"\n';
  const places = ["/run/confidential-containers/cdh.sock", "/run/kata-containers/image"];
  expect(placesOf(undefined)).toEqual(places);
  expect(placesOf(kbc)).toEqual(places);
  expect(placesOf(`socket = "unix:///run/other.sock"\n${kbc}[image]\nwork_dir = "/run/image-rs"\n`)).toEqual([
    "/run/other.sock",
    "/run/image-rs",
  ]);
});

test("the socket can be found in a cdh.toml that only another hub would take", () => {
  const initdata = parseInitdata(bytesOf(`${head}"cdh.toml" = "socket = 'unix:///run/other.sock'"\n`));
  expect(dataHubSocketOf(initdata, hub)).toBe("/run/other.sock");
});

test("a pod without initdata has the defaults", () => {
  expect(dataHubSocketOf(undefined, hub)).toBe(hub.dataHubSocket);
  expect(dataHubConfigOf(undefined).keyBroker).toEqual({ kind: "offline_fs_kbc" });
});

test("a cdh.toml that can't be used is named, with its key", () => {
  expect(() => placesOf("socket = 5\n")).toThrow("cdh.toml: ");
});
