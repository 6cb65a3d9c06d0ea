import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";

/** Between cookies in a joined header: a comma before `name=`. The comma of an `Expires` date stands before a day. */
const separator = /,\s*(?=[^;,=\s]+=)/;

/** `name=value` of RFC 6265 4.1.1, its attributes cut off. */
const cookieForm = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)\s*(;|$)/;

/**
 * The `Cookie` header that answers `Set-Cookie` headers. All cookies are kept, not only the broker's `kbs-session-id`: load
 * balancers put one of their own beside it, without which the next request reaches another instance. Attributes are ignored,
 * since the cookies are sent to one broker for one session.
 *
 * @param setCookie the headers, joined by ", "
 * @returns empty when there are none
 * @throws KbsError `malformed` for too many or too long ones
 */
export function parseSetCookies(setCookie: string | undefined): string {
  if (setCookie === undefined) return "";
  const cookies = setCookie.split(separator, limits.maxCookies + 1);
  if (cookies.length > limits.maxCookies) throw new KbsError("malformed", "the key broker sets too many cookies");
  return cookies.map(parseCookie).join("; ");
}

function parseCookie(header: string): string {
  const pair = header.length > limits.maxCookieLength ? undefined : cookieForm.exec(header)?.[1];
  if (pair === undefined) throw new KbsError("malformed", "the key broker sets an unusable cookie");
  return pair;
}
