import { deepFreeze } from "../core/deep-freeze.ts";
import { describeFailure, GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type {
  CallableMethod,
  CallContext,
  Gate,
  GateDecision,
  Handler,
  Handlers,
  MethodDefinition,
  MethodTable,
  ServiceDefinition,
} from "./method.ts";
import { type DecodeOptions, decodeMessage } from "./protobuf/decode.ts";
import { encodeMessage } from "./protobuf/encode.ts";

/** What a {@link MethodRegistry} is made of. */
export interface MethodRegistryOptions {
  /** Decides every call. There is no registry without one. */
  readonly gate: Gate;
  readonly log: Log;
  /**
   * Whether requests with fields that the schema does not have are refused, which is the default: a policy can't judge
   * what it does not see.
   */
  readonly unknownFields?: DecodeOptions["unknownFields"];
}

/** A method of a {@link MethodRegistry}. */
export interface RegisteredMethod extends CallableMethod {
  readonly definition: MethodDefinition;
  /**
   * Does one call: decode, freeze, ask the gate, run the handler, encode, make the gate's tentative state final.
   *
   * @param payload the encoded request; not used any more when the promise is returned
   * @returns the encoded response
   * @throws GuestError whatever went wrong; the log has the details
   */
  invoke(payload: Uint8Array, context: CallContext): Promise<Uint8Array>;
}

/**
 * The methods that a server offers. It is the only way from bytes to handlers, and it leads through the gate
 * (threat-model rows 8 and 9): every method of a service asks the gate, whether it is implemented or not.
 */
export class MethodRegistry implements MethodTable {
  readonly #options: MethodRegistryOptions;
  readonly #services = new Map<string, ReadonlyMap<string, RegisteredMethod>>();

  constructor(options: MethodRegistryOptions) {
    this.#options = options;
  }

  /**
   * Adds all methods of a service. Those without a handler answer UNIMPLEMENTED once the gate has allowed them.
   *
   * @throws TypeError when the service is there already or a handler belongs to none of its methods
   */
  add<S extends ServiceDefinition>(service: S, handlers: Handlers<S>): void {
    if (this.#services.has(service.name)) throw new TypeError(`${service.name} is registered already`);
    const byName = new Map(Object.entries(handlers));
    const stray = [...byName.keys()].find((name) => !Object.hasOwn(service.methods, name));
    if (stray !== undefined) throw new TypeError(`${service.name} has no method ${stray}`);
    const methods = Object.values(service.methods).map((definition): [string, RegisteredMethod] => {
      // Handlers<S> gives the handler of a name the types of the method of that name.
      const handler = byName.get(definition.name) as Handler<unknown, unknown> | undefined;
      return [definition.name, this.#register(definition, handler)];
    });
    this.#services.set(service.name, new Map(methods));
  }

  /** Every method, for listings and tests. */
  get methods(): readonly MethodDefinition[] {
    return [...this.#services.values()].flatMap((methods) => [...methods.values()].map(({ definition }) => definition));
  }

  /**
   * @param service full name
   * @param method bare name
   * @throws GuestError `unimplemented`, with the texts of the Go server (spec/ttrpc.md 6)
   */
  find(service: string, method: string): RegisteredMethod {
    const methods = this.#services.get(service);
    if (methods === undefined) throw new GuestError("unimplemented", `service ${service.slice(0, 200)}`);
    const registered = methods.get(method);
    if (registered === undefined) throw new GuestError("unimplemented", `method ${method.slice(0, 200)}`);
    return registered;
  }

  #register(definition: MethodDefinition, handler: Handler<unknown, unknown> | undefined): RegisteredMethod {
    const { gate, log, unknownFields = "reject" } = this.#options;
    return {
      definition,
      invoke: (payload, context) => {
        try {
          const request = deepFreeze(decodeMessage(definition.request, payload, { unknownFields }));
          const decision = gate.decide(definition, request, context);
          return carryOut({ definition, handler, request, context, log }, decision);
        } catch (error) {
          return Promise.reject(reported(error, definition, context, log));
        }
      },
    };
  }
}

interface DecodedCall {
  readonly definition: MethodDefinition;
  readonly handler: Handler<unknown, unknown> | undefined;
  readonly request: unknown;
  readonly context: CallContext;
  readonly log: Log;
}

async function carryOut(call: DecodedCall, decision: GateDecision): Promise<Uint8Array> {
  const { definition, handler, request, context, log } = call;
  try {
    if (decision.kind === "answer") return encodeMessage(definition.response, decision.response);
    const response = await runHandler(definition, handler, request, context).catch((error: unknown) => {
      decision.rollback();
      throw error;
    });
    decision.commit();
    return response;
  } catch (error) {
    throw reported(error, definition, context, log);
  }
}

async function runHandler(
  definition: MethodDefinition,
  handler: Handler<unknown, unknown> | undefined,
  request: unknown,
  context: CallContext,
): Promise<Uint8Array> {
  if (handler === undefined) throw new GuestError("unimplemented", `method ${definition.name} is not implemented`);
  return encodeMessage(definition.response, await handler(request, context));
}

/** Writes the failure to the guest's log and leaves of it what the peer may know. */
function reported(error: unknown, definition: MethodDefinition, context: CallContext, log: Log): GuestError {
  const fields = { method: `${definition.service}/${definition.name}`, connection: context.connection };
  if (error instanceof GuestError) {
    const failure = { ...fields, code: error.code, error: describeFailure(error), ...error.fields };
    // A caller who went away, as every shim does that waits for something at the end of its pod, is no trouble.
    if (error.code === "cancelled") log.debug("call given up", failure);
    else log.warn("call failed", failure);
    return error;
  }
  log.error("call failed unexpectedly", { ...fields, error });
  return new GuestError("internal", "internal error", { cause: error });
}
