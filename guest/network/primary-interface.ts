import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../core/errors.ts";
import type { IpProgram } from "./ip-program.ts";
import { type Link, type LinkAddress, readLinks } from "./link.ts";

/** How long to wait for the VM's own network, whose addresses come by DHCP. */
export interface Patience {
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** An interface of the VM with its one IPv4 address. */
export interface AddressedLink {
  readonly link: Link;
  readonly address: LinkAddress;
}

/** Where a default route leads. */
export interface DefaultRoute {
  readonly device: string;
  readonly gateway: string | undefined;
}

/** The IPv4 default routes, in the kernel's order. */
export async function readDefaultRoutes(ip: IpProgram): Promise<DefaultRoute[]> {
  const routes = await ip.query("-4", "route", "show", "default");
  return routes.map((route) => ({
    device: String(route["dev"] ?? ""),
    gateway: typeof route["gateway"] === "string" ? route["gateway"] : undefined,
  }));
}

/**
 * Waits for the interface of the default route and its address (spec/podnetwork.md 4, steps 2 and 3). Of several such interfaces
 * it is the first, or one of a lower number with the same letters: `ens3` before `ens4`.
 *
 * @throws GuestError `failed-precondition` when it has several IPv4 addresses, `deadline-exceeded` when none comes, `cancelled`
 */
export async function waitForPrimaryInterface(ip: IpProgram, patience: Patience): Promise<AddressedLink> {
  return waitForAddress("the VM's network has no default route yet", ip, patience, async () => {
    const [first, ...others] = (await readDefaultRoutes(ip)).map(({ device }) => device);
    return others.reduce((best, other) => (best !== undefined && precedes(other, best) ? other : best), first);
  });
}

/** Waits for the address of an interface of a given name. @throws as {@link waitForPrimaryInterface} */
export async function waitForInterface(ip: IpProgram, name: string, patience: Patience): Promise<AddressedLink> {
  return waitForAddress(`interface ${name} has no address yet`, ip, patience, async () => name);
}

async function waitForAddress(
  missing: string,
  ip: IpProgram,
  { timeoutMs, pollMs, signal }: Patience,
  findName: () => Promise<string | undefined>,
): Promise<AddressedLink> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const name = await findName();
    const link = name === undefined ? undefined : (await readLinks(ip)).find((candidate) => candidate.name === name);
    const [address, second] = link?.addresses.filter((candidate) => candidate.address.family === 4) ?? [];
    if (second !== undefined)
      throw new GuestError(
        "failed-precondition",
        `interface ${name} has several IPv4 addresses; which one is the VM's?`,
      );
    if (link !== undefined && address !== undefined) return { link, address };
    if (performance.now() >= end) throw new GuestError("deadline-exceeded", `${missing}, after ${timeoutMs} ms`);
    await delay(pollMs, undefined, { signal }).catch((cause: unknown) => {
      throw new GuestError("cancelled", `${missing}, and nobody waits any more`, { cause });
    });
  }
}

function precedes(a: string, b: string): boolean {
  const [, lettersA, numberA] = /^([a-z]+)(\d+)$/.exec(a) ?? [];
  const [, lettersB, numberB] = /^([a-z]+)(\d+)$/.exec(b) ?? [];
  return lettersA !== undefined && lettersA === lettersB && Number(numberA) < Number(numberB);
}
