import { sendUnixDatagram } from "./unix-socket.ts";

/**
 * Tells the service manager how the daemon is doing, sd_notify(3).
 *
 * @param socket what the service manager gave in NOTIFY_SOCKET; undefined when there is none, and nothing happens
 * @param state such as `READY=1` or `STOPPING=1`; lines for several
 * @throws SystemError
 */
export function notifyServiceManager(socket: string | undefined, state: string): void {
  if (socket !== undefined) sendUnixDatagram(socket, state);
}
