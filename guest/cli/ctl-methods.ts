import { AgentService } from "../rpc/messages/agent.ts";
import { AttestationAgentService } from "../rpc/messages/attestation.ts";
import {
  GetResourceService,
  ImagePullService,
  SealedSecretService,
  SecureMountService,
} from "../rpc/messages/confidential-data-hub.ts";
import { Health } from "../rpc/messages/health.ts";
import { KeyProviderService } from "../rpc/messages/keyprovider.ts";
import type { MethodDefinition, ServiceDefinition } from "../rpc/method.ts";

const agentAddress = "127.0.0.1:15150";
const attestationAgentAddress = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock";
const dataHubAddress = "unix:///run/confidential-containers/cdh.sock";

/** Every service that podkeep serves, and where it does by default. */
const services: readonly (readonly [ServiceDefinition, string])[] = [
  [AgentService, agentAddress],
  [Health, agentAddress],
  [AttestationAgentService, attestationAgentAddress],
  [GetResourceService, dataHubAddress],
  [SealedSecretService, dataHubAddress],
  [SecureMountService, dataHubAddress],
  [ImagePullService, dataHubAddress],
  [KeyProviderService, dataHubAddress],
];

/** A method that can be called, with the address where its service listens unless configured otherwise. */
export interface CallableMethod {
  readonly definition: MethodDefinition;
  readonly defaultAddress: string;
}

/** All methods, service by service. */
export const callableMethods: readonly CallableMethod[] = services.flatMap(([service, defaultAddress]) =>
  Object.values(service.methods).map((definition) => ({ definition, defaultAddress })),
);

/**
 * Finds a method by its bare name or by `service/method`.
 *
 * @returns undefined when there is none
 */
export function findMethod(name: string): CallableMethod | undefined {
  return callableMethods.find(({ definition }) => name === definition.name || name === fullNameOf(definition));
}

/** `grpc.AgentService/CreateContainer`. */
export function fullNameOf(method: MethodDefinition): string {
  return `${method.service}/${method.name}`;
}
