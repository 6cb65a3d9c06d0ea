import { ServerInterceptingCall, type ServerInterceptor, type ServerListener, status } from "@grpc/grpc-js";
import type { MemoryBudget } from "../memory-budget.ts";
import { maxMessageLength } from "./limits.ts";

/**
 * Bounds what requests take while they arrive and while they are worked on (threat-model row 6). grpc-js gathers a request whole,
 * so room for the longest is set aside before one is read. A call that waits for room stays in the window of HTTP/2, by which its
 * client is slowed down.
 *
 * @param memory shared by the connections of a port
 * @param timeoutMs from the beginning of reading a request to its end; the call of a slower client fails
 */
export function boundRequests(memory: MemoryBudget, timeoutMs: number): ServerInterceptor {
  return (_, call) => {
    let heldBytes = 0;
    let timer: NodeJS.Timeout | undefined;
    const hold = (bytes: number): void => {
      memory.change(bytes - heldBytes);
      heldBytes = bytes;
    };
    const letGo = (): void => {
      clearTimeout(timer);
      hold(0);
    };
    const tooSlow = (): void =>
      call.sendStatus({ code: status.DEADLINE_EXCEEDED, details: "the request was not completed in time" });
    const listener = {
      onReceiveMetadata: (metadata, pass) => {
        hold(maxMessageLength);
        timer = setTimeout(tooSlow, timeoutMs);
        pass(metadata);
      },
      onReceiveMessage: (message: Uint8Array, pass) => {
        hold(message.byteLength);
        pass(message);
      },
      onReceiveHalfClose: (pass) => {
        clearTimeout(timer);
        pass();
      },
      onCancel: letGo,
    } satisfies ServerListener;
    return new ServerInterceptingCall(call, {
      start: (next) => whenThereIsRoom(memory, () => next(listener)),
      sendStatus: (result, pass) => {
        letGo();
        pass(result);
      },
    });
  };
}

/** A call that was cancelled while it waited goes on, too: grpc-js then tells its listener nothing, so nothing is held for it. */
function whenThereIsRoom(memory: MemoryBudget, proceed: () => void): void {
  if (memory.exhausted) memory.onRoom(() => whenThereIsRoom(memory, proceed));
  else proceed();
}
