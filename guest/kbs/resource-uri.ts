import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";

/** The name of something that a key broker holds. */
export interface ResourceUri {
  /** `resource` for plain `kbs://` names. */
  readonly plugin: string;
  /** Path without a leading slash, such as `default/key/1`. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
}

/** What the key broker's own plug-in for resources accepts as a part of a name (spec/cdh.md 5). */
const segment = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

/** scheme, authority, path and query; a fragment has no meaning here. */
const uriForm = /^kbs(\+[^:/?#]*)?:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#.*)?$/i;

const queryForm = /^[A-Za-z0-9_.~!$&'()*+,;=:@/?%-]*$/;

/**
 * Parses `kbs[+plugin]://[host]/a/b/c[?query]` (spec/cdh.md 5). The host is ignored as in the reference: only the configured
 * broker is ever asked. Stricter than the reference in what it forwards: no dot segments, escapes, empty or blank parts, and
 * exactly three parts for the plug-in `resource` (threat model row 125).
 *
 * @throws KbsError `invalid-uri`
 */
export function parseResourceUri(text: string): ResourceUri {
  if (text.length > limits.maxUriLength) throw invalid(`longer than ${limits.maxUriLength} characters`);
  if (!/^kbs(\+[^:/]*)?:/i.test(text)) throw invalid("scheme must be kbs or kbs+<plugin>");
  const parts = uriForm.exec(text);
  if (parts?.[3] === undefined) throw invalid("should be kbs://<addr-of-kbs>/<repository>/<type>/<tag>");
  const plugin = parts[1]?.slice(1) ?? "resource";
  if (plugin === "") throw invalid("scheme kbs+ requires a plugin name, e.g. kbs+pkcs11");
  if (!segment.test(plugin)) throw invalid("plugin has characters that no plugin's name has");
  const path = parts[3].slice(1);
  const query = parts[4] ?? "";
  checkPath(plugin, path);
  if (!queryForm.test(query)) throw invalid("query has characters that must be escaped");
  return { plugin, path, query };
}

function checkPath(plugin: string, path: string): void {
  const segments = path.split("/");
  if (plugin === "resource" && segments.length !== 3) {
    throw invalid(`path must have 3 parts instead of ${segments.length}`);
  }
  if (!segments.every((name) => segment.test(name))) {
    throw invalid("each part of the path consists of letters, digits, _, - and (not first) dots");
  }
}

function invalid(reason: string): KbsError {
  return new KbsError("invalid-uri", `invalid kbs resource uri: ${reason}`);
}
