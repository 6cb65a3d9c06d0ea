import { parseArgs } from "node:util";
import { type Command, type CommandIo, exitCodes } from "../core/command.ts";
import { describeFailure, GuestError, messageOf } from "../core/errors.ts";
import { formatJson, parseJson } from "../core/json.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { connectGrpc, connectTtrpc, type ServerAddress } from "../rpc/connect.ts";
import type { MessageInit, RpcClient } from "../rpc/method.ts";
import { fromJsonValue, toJsonValue } from "../rpc/protobuf/json.ts";
import type { ClientTls } from "../rpc/tls.ts";
import { type CallableMethod, callableMethods, findMethod, fullNameOf } from "./ctl-methods.ts";
import { readInputFile } from "./input-file.ts";
import { isUsageError, UsageError } from "./usage.ts";

const usage = `usage: podkeep ctl [OPTION…] METHOD [REQUEST]
       podkeep ctl --list

Calls a method of the agent, the attestation agent or the data hub and prints its answer as JSON.

METHOD is a name such as CreateContainer or grpc.AgentService/CreateContainer; --list prints all.
REQUEST is JSON under the proto's names: bytes in base64 or as a list of integers, 64-bit numbers as numbers or text.
@FILE reads it from a file, - from standard input; without it the request is empty.

  --address ADDRESS   host:port, [v6]:port or unix:///path; when absent, where the method's service listens by default
  --protocol NAME     ttrpc (default) or grpc
  --tls-ca FILE       authority of the server; --tls-cert FILE and --tls-key FILE: who we are (all PEM)
  --server-name NAME  name that the server's certificate has to bear; the host when absent
  --plain             no TLS over TCP; unix sockets never have it
  --timeout SECONDS   default 60; 0 waits for ever

Exit code 0: answered; 1: refused or failed, with code and message on standard error; 2: wrong command line; 3: no connection.
`;

/** Larger than the JSON of every request that fits a message. */
const maxRequestBytes = 32 * 1024 * 1024;
const maxPemBytes = 1024 * 1024;

/** 24 days: what a timer can hold. */
const maxTimeoutSeconds = 2_147_483;

const options = {
  address: { type: "string" },
  protocol: { type: "string", default: "ttrpc" },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "server-name": { type: "string" },
  plain: { type: "boolean", default: false },
  timeout: { type: "string", default: "60" },
  list: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>["values"];

/** A call as the command line describes it. */
interface PlannedCall {
  readonly method: CallableMethod;
  readonly request: MessageInit<unknown>;
  readonly connect: typeof connectTtrpc;
  readonly address: ServerAddress;
  readonly tls: ClientTls | undefined;
  readonly timeoutMs: number;
}

/** `podkeep ctl …`. */
export const run: Command = async (args, io) => {
  let call: PlannedCall | undefined;
  try {
    call = await planCall(args, io);
  } catch (error) {
    io.stderr(`podkeep ctl: ${messageOf(error)}\n${isUsageError(error) ? `\n${usage}` : ""}`);
    return exitCodes.usage;
  }
  if (call === undefined) return exitCodes.success;
  return callAndPrint(call, io);
};

/** @returns undefined when the command line asked for text only, which was printed */
async function planCall(args: readonly string[], io: CommandIo): Promise<PlannedCall | undefined> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help === true || values.list === true) {
    io.stdout(
      values.help === true ? usage : callableMethods.map((method) => `${fullNameOf(method.definition)}\n`).join(""),
    );
    return undefined;
  }
  const [name, request = "{}", ...more] = positionals;
  if (name === undefined || more.length > 0) throw new UsageError("one method and at most one request are needed");
  const method = findMethod(name);
  if (method === undefined) throw new UsageError(`there is no method ${name}`);
  const address = parseAddress(values.address ?? method.defaultAddress);
  return {
    method,
    request: fromJsonValue(method.definition.request, parseJson(await readRequest(request, io))),
    connect: parseProtocol(values.protocol),
    address,
    tls: "path" in address ? undefined : await readTls(values, io),
    timeoutMs: parseTimeout(values.timeout),
  };
}

async function callAndPrint(call: PlannedCall, io: CommandIo): Promise<number> {
  const { method, request, connect, address, tls, timeoutMs } = call;
  let client: RpcClient;
  try {
    client = await connect(address, { tls });
  } catch (error) {
    io.stderr(`podkeep ctl: ${describeFailure(error)}\n`);
    return exitCodes.unreachable;
  }
  try {
    const { definition } = method;
    const response = await client.call(definition, request, { timeoutMs, signal: io.signal });
    io.stdout(`${formatJson(toJsonValue(definition.response, response), 2)}\n`);
    return exitCodes.success;
  } catch (error) {
    io.stderr(`${error instanceof GuestError ? error.code : "internal"}: ${messageOf(error)}\n`);
    return exitCodes.failure;
  } finally {
    await client.close();
  }
}

async function readRequest(source: string, io: CommandIo): Promise<string> {
  if (source !== "-" && !source.startsWith("@")) return source;
  const file = source === "-" ? source : source.slice(1);
  return decodeUtf8(await readInputFile(file, maxRequestBytes, io), file);
}

async function readTls(values: Values, io: CommandIo): Promise<ClientTls | undefined> {
  const { "tls-ca": ca, "tls-cert": cert, "tls-key": key, "server-name": serverName, plain } = values;
  if (plain && [ca, cert, key, serverName].some((value) => value !== undefined))
    throw new UsageError("--plain is without TLS: --tls-… and --server-name mean nothing beside it");
  if (plain) return undefined;
  if (ca === undefined) throw new UsageError("TCP needs --tls-ca, or --plain");
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--tls-cert and --tls-key belong together");
  return { ca: await readPem(ca), cert: cert && (await readPem(cert)), key: key && (await readPem(key)), serverName };

  async function readPem(file: string): Promise<string> {
    return decodeUtf8(await readInputFile(file, maxPemBytes, io), file);
  }
}

function parseAddress(text: string): ServerAddress {
  if (/^unix:\/\/./.test(text)) return { path: text.slice("unix://".length) };
  const match = /^(?:tcp:\/\/)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new UsageError(`${text} is no address`);
  return { host, port };
}

function parseProtocol(name: string): typeof connectTtrpc {
  if (name === "ttrpc") return connectTtrpc;
  if (name === "grpc") return connectGrpc;
  throw new UsageError(`--protocol is ttrpc or grpc, not ${name}`);
}

function parseTimeout(text: string): number {
  const seconds = Number(text);
  if (text === "" || !(seconds >= 0 && seconds <= maxTimeoutSeconds))
    throw new UsageError(`--timeout is no number of seconds up to ${maxTimeoutSeconds}: ${text}`);
  return seconds * 1000;
}
