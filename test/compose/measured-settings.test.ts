import { describe, expect, test } from "vitest";
import { defaultConfiguration, parseConfiguration } from "../../guest/compose/configuration.ts";
import { applyMeasuredSettings } from "../../guest/compose/measured-settings.ts";
import { type Initdata, parseInitdata } from "../../guest/initdata/initdata.ts";
import { bytesOf } from "../initdata/documents.ts";

function initdataWith(settings: string): Initdata {
  return parseInitdata(
    bytesOf(`algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"podkeep.toml" = '''\n${settings}'''\n`),
  );
}

describe("settings of initdata", () => {
  test("lie over the image's; the rest of it stays", () => {
    const image = parseConfiguration('[agent]\nruntime = "runc"\ntls_client_name = "image"\n');
    const initdata = initdataWith(
      '[agent]\ntls_client_name = "owner"\nidle_power_off_minutes = 5\n[hub]\nrest_features = "all"\n',
    );
    const { agent, hub, provision } = applyMeasuredSettings(image, initdata);
    expect(agent).toEqual({ ...image.agent, tlsClientName: "owner", idlePowerOffMinutes: 5 });
    expect(hub).toEqual({ ...image.hub, restFeatures: "all" });
    expect(provision).toEqual(image.provision);
  });

  test("without any the image's configuration counts", () => {
    expect(applyMeasuredSettings(defaultConfiguration, undefined)).toBe(defaultConfiguration);
    expect(applyMeasuredSettings(defaultConfiguration, initdataWith(""))).toEqual(defaultConfiguration);
  });

  test("threat 1: TLS goes off by measured configuration, and comes back by it", () => {
    const off = initdataWith('[agent]\ntls = "off"\n');
    expect(applyMeasuredSettings(defaultConfiguration, off).agent.tls).toBe("off");
    const plainImage = parseConfiguration('[agent]\ntls = "off"\n');
    expect(applyMeasuredSettings(plainImage, initdataWith('[agent]\ntls = "required"\n')).agent.tls).toBe("required");
  });

  test("threat 1: TLS material for a port without TLS is a contradiction, not a setting", () => {
    const plainImage = parseConfiguration('[agent]\ntls = "off"\n');
    expect(() => applyMeasuredSettings(plainImage, initdataWith('[agent]\ntls_client_name = "x"\n'))).toThrow(
      "agent.tls_client_name: it means nothing while agent.tls is off",
    );
  });
});

describe("the image's podkeep.toml", () => {
  test.each([
    ['[agent]\ntls = "maybe"', "configuration key agent.tls: it takes required, off"],
    [
      "[agent]\nidle_power_off_minutes = 1.5",
      "configuration key agent.idle_power_off_minutes: it takes a whole number",
    ],
    ['[agent]\ntls_client_ca = "x"', "configuration key agent.tls_client_ca: it takes certificates in PEM"],
    ['[agent]\ntls_server_key = "kbs:///a/b/c"', "agent.tls_server_certificate: it goes together"],
    ['[hub]\nrest_features = "x"', "configuration key hub.rest_features: it takes resource, attestation, all"],
  ])("%s is refused by the same checks", (text, problem) => {
    expect(() => parseConfiguration(text)).toThrow(problem);
  });
});
