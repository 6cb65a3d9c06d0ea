import { fetchBody, type MetadataAccess } from "./source.ts";

/** Azure's fabric, as every VM there reaches it. */
const wireServer = "http://168.63.129.16";

const preferredVersion = "2015-04-05";
const maxAnswerBytes = 64 * 1024;

/** What Azure knows this VM by. */
interface GoalState {
  readonly incarnation: string;
  readonly containerId: string;
  readonly instanceId: string;
}

/**
 * Tells Azure that the VM is ready. Without it Azure takes the creation of the VM for failed after a while (spec/podvm-image.md 7).
 *
 * @param origin such as `http://127.0.0.1:8080`; Azure's own when absent
 * @throws Error naming the request that failed; trying again may help
 */
export async function reportAzureReadiness(access: MetadataAccess, origin = wireServer): Promise<void> {
  const versions = await fetchText(access, `${origin}/?comp=versions`);
  const headers = { "x-ms-version": chooseVersion(versions), "x-ms-agent-name": "podkeep" };
  const goalState = parseGoalState(await fetchText(access, `${origin}/machine/?comp=goalstate`, headers));
  const body = healthReport(goalState);
  const contentType = { "content-type": "text/xml; charset=utf-8" };
  const request = {
    url: `${origin}/machine?comp=health`,
    method: "POST",
    headers: { ...headers, ...contentType },
    body,
  };
  await fetchBody(access, request, maxAnswerBytes);
}

async function fetchText(access: MetadataAccess, url: string, headers: Record<string, string> = {}): Promise<string> {
  return Buffer.from(await fetchBody(access, { url, headers }, maxAnswerBytes)).toString("utf8");
}

function chooseVersion(versions: string): string {
  const offered = [...versions.matchAll(/<Version>([0-9-]{1,20})<\/Version>/g)].map(([, version]) => version);
  const chosen = offered.includes(preferredVersion) ? preferredVersion : offered[0];
  if (chosen === undefined) throw new Error("Azure's fabric offers no version of its protocol");
  return chosen;
}

function parseGoalState(xml: string): GoalState {
  return {
    incarnation: elementOf(xml, "Incarnation"),
    containerId: elementOf(xml, "ContainerId"),
    instanceId: elementOf(xml, "InstanceId"),
  };
}

/** The text of the first such element; only what needs no escaping when it is sent back. */
function elementOf(xml: string, name: string): string {
  const match = new RegExp(`<${name}>\\s*([A-Za-z0-9._-]{1,200})\\s*</${name}>`).exec(xml);
  if (match?.[1] === undefined) throw new Error(`the goal state of Azure's fabric has no ${name}`);
  return match[1];
}

function healthReport({ incarnation, containerId, instanceId }: GoalState): string {
  return `<?xml version="1.0" encoding="utf-8"?>
<Health xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <GoalStateIncarnation>${incarnation}</GoalStateIncarnation>
  <Container>
    <ContainerId>${containerId}</ContainerId>
    <RoleInstanceList>
      <Role>
        <InstanceId>${instanceId}</InstanceId>
        <Health><State>Ready</State></Health>
      </Role>
    </RoleInstanceList>
  </Container>
</Health>
`;
}
