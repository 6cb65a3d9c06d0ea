/** The sample document of spec/initdata.md 10.1, whose digests were computed with other programs. */
export const minimalDocument = `algorithm = "sha256"
version = "0.1.0"

[data]
"aa.toml" = '''
[token_configs]
[token_configs.kbs]
url = 'http://192.168.122.1:8080'
'''

"cdh.toml" = '''
socket = 'unix:///run/confidential-containers/cdh.sock'
credentials = []

[kbc]
name = 'cc_kbc'
url = 'http://192.168.122.1:8080'
'''

"policy.rego" = '''
package agent_policy

default AllowRequestsFailingPolicy := false
default CreateSandboxRequest := true
default ExecProcessRequest := false
'''
`;

/** The annotation of that document as Node's zlib makes it at level 9. */
export const minimalAnnotation = [
  "H4sIAAAAAAACA42Oy2rDMBBF9/MVwhuvKtmGhtTgRSjtOrRLY8JYntjCipRK4zb9+6Ikfa66vDPnHi7a0QfD00E0IosTVrerDF4pRONdOhWylEUG0A7I2EGGKNkfbCYakec5tOxncjvt3d6MsfuT5dzHDpZgEz0xH2ulyrtKlqu1LKtKlvW6WBc5JBNkeph+uaPXM3EKizOnWikVFqfO6oEcG7Q32jtG4yhEldqpkYMOdP1H0Yi2A2jnXnfg8EDJpvVu7nX+711Hb41+l4FG/zntiHrGkQSO5Hh3AQAG2uNiWWys9W9P9LJQ5PiIxho3bs+MqBuxRxvpi70PhEzP6Iben66dRHFYvqGHE+lt8Jpi/IFcRGnOBwWjHozFAQAA",
].join("");

/** An annotation of the Kata runtime's own tests (spec/initdata.md 10.4): 113 bytes, sha256 document. */
export const kataAnnotation =
  "H4sIAFlC92cAAytLLSrOzM9TsFVQMtAz1DNQ4krMSc8vyizJyAWJFWckGpmaKXFFpySWJMZyKSUm6pXk5+YoAeXU1dW5QJhLKTklA4toQX5OZnKlXlFqej6yBABS/5JkcQAAAA==";

/** The text as bytes of UTF-8. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes in lower-case hex. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
