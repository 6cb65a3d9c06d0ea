import { expect, test } from "vitest";
import { parseEndpoint } from "../../guest/compose/endpoint.ts";

test.each([
  ["127.0.0.1:8006", "127.0.0.1", 8006],
  ["0.0.0.0:65535", "0.0.0.0", 65_535],
  ["[::1]:0", "::1", 0],
])("%s is an address and a port", (text, host, port) => {
  expect(parseEndpoint("hub.rest_listen", text)).toEqual({ host, port });
});

test.each(["", "8006", ":8006", "127.0.0.1", "127.0.0.1:65536", "localhost:8006", "::1:8006", "unix://a"])(
  "%j is none, and the key of the configuration is named",
  (text) => {
    expect(() => parseEndpoint("agent.listen", text)).toThrow(
      `configuration key agent.listen: it takes an address and a port such as 127.0.0.1:8006, not ${JSON.stringify(text)}`,
    );
  },
);
