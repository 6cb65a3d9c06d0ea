import { GuestError } from "../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { applyJsonPatch, JsonPatchError } from "./json-patch.ts";
import { maxOpenTransactions, maxStateDepth, maxStateValues } from "./limits.ts";

/**
 * Asks the policy the same question again on another document.
 *
 * @returns the operations it gives now, or undefined when it doesn't allow the request any more
 */
export type Reconsider = (document: JsonObject) => readonly JsonValue[] | undefined;

/** The end of a decision's work: exactly one of the two is called, a second call does nothing. */
export interface StateTransaction {
  /** The handler has succeeded: the change is final. */
  commit(): void;
  /** The handler has failed: the state is what it had been without the request. */
  rollback(): void;
}

/** A change whose request, or an older request, is still being worked on. */
interface OpenChange {
  operations: readonly JsonValue[];
  readonly reconsider: Reconsider;
  committed: boolean;
}

/** The document of a policy that has decided nothing yet. */
export const initialDocument: JsonObject = emptyDocument();

/**
 * What the policy remembers between requests: a JSON document that begins as `{"pstate": {}}` and that rules change by JSON
 * Patch on the whole of it (spec/policy-enforcement.md 4.1).
 *
 * The reference changes it before the work is done and never takes anything back. Here a change is tentative until the handler
 * has succeeded (threat model rows 17 and 18): later decisions see it at once, beside what is certain without it, and when the
 * handler fails the document becomes what it had been without the request. Decisions that were made on the tentative document in
 * between are asked again for their operations, so that a value which was first pinned by the failed request is now pinned by the one
 * that relied on it.
 */
export class PolicyState {
  /** All changes up to the first open one. */
  #settled: JsonObject;
  /** In the order of deciding. */
  readonly #open: OpenChange[] = [];
  #document: JsonObject;
  #certain: JsonObject;

  constructor(document: JsonObject = initialDocument) {
    this.#settled = document;
    this.#document = document;
    this.#certain = document;
  }

  /** The document with all tentative changes. Never changed; each change makes a new one. */
  get document(): JsonObject {
    return this.#document;
  }

  /** The document as it would be if all requests under way failed; the same object as `document` while there are none. */
  get certain(): JsonObject {
    return this.#certain;
  }

  /**
   * Applies an allowed request's operations tentatively.
   *
   * @param operations the patch; an empty one still counts, since on another document the policy may want to change something
   * @param reconsider asks the policy again when an older change is taken back
   * @throws JsonPatchError when the patch can't be applied; GuestError `resource-exhausted` when too many changes are open.
   *   The document is unchanged then
   */
  begin(operations: readonly JsonValue[], reconsider: Reconsider): StateTransaction {
    if (this.#open.length >= maxOpenTransactions)
      throw new GuestError("resource-exhausted", "too many requests that change the policy's state are under way");
    this.#document = applyChange(this.#document, operations);
    const change: OpenChange = { operations, reconsider, committed: false };
    this.#open.push(change);
    return this.#transaction(change);
  }

  #transaction(change: OpenChange): StateTransaction {
    let ended = false;
    const once = (end: () => void) => () => {
      if (ended) return;
      ended = true;
      end();
    };
    return {
      commit: once(() => {
        change.committed = true;
        if (this.#open[0] === change) this.#settle();
        else this.#certain = applyReconsidered(this.#certain, change);
      }),
      rollback: once(() => this.#takeBack(change)),
    };
  }

  /** Makes the oldest changes final as far as they are committed. */
  #settle(): void {
    const firstOpen = this.#open.findIndex(({ committed }) => !committed);
    const final = this.#open.splice(0, firstOpen < 0 ? this.#open.length : firstOpen);
    this.#settled = final.reduce((older, { operations }) => applyChange(older, operations), this.#settled);
    // Equal then, and an engine converts an object that it knows only once.
    if (this.#open.length === 0) this.#settled = this.#document;
    this.#certain = this.#open.filter(({ committed }) => committed).reduce(applyReconsidered, this.#settled);
  }

  #takeBack(change: OpenChange): void {
    const index = this.#open.indexOf(change);
    this.#open.splice(index, 1);
    let document = this.#open
      .slice(0, index)
      .reduce((older, { operations }) => applyChange(older, operations), this.#settled);
    for (const later of this.#open.slice(index)) {
      later.operations = reconsidered(later, document);
      document = applyChange(document, later.operations);
    }
    this.#document = document;
    this.#settle();
  }
}

/**
 * The operations of a change on a document that lacks a failed one. A request that would be denied now has been let in
 * already: its former operations stay where they still apply (a key it pinned stays pinned), else it leaves no trace.
 */
function reconsidered(change: OpenChange, document: JsonObject): readonly JsonValue[] {
  for (const operations of [change.reconsider(document), change.operations]) {
    if (operations !== undefined && applies(document, operations)) return operations;
  }
  return [];
}

function applyReconsidered(document: JsonObject, change: OpenChange): JsonObject {
  return applyChange(document, reconsidered(change, document));
}

function applies(document: JsonObject, operations: readonly JsonValue[]): boolean {
  try {
    applyChange(document, operations);
    return true;
  } catch (error) {
    if (error instanceof JsonPatchError) return false;
    throw error;
  }
}

function applyChange(document: JsonObject, operations: readonly JsonValue[]): JsonObject {
  if (operations.length === 0) return document;
  const changed = applyJsonPatch(document, operations);
  if (!isJsonObject(changed)) throw new JsonPatchError("the document would no longer be an object");
  if (countValues(changed, 0) > maxStateValues) throw new JsonPatchError("the document would grow too large");
  return changed;
}

function countValues(value: JsonValue, depth: number): number {
  if (depth > maxStateDepth) throw new JsonPatchError("the document would nest too deep");
  if (typeof value !== "object" || value === null) return 1;
  const members = isJsonArray(value) ? value : Object.values(value);
  return members.reduce<number>((count, member) => count + countValues(member, depth + 1), 1);
}

function emptyDocument(): JsonObject {
  const pstate: JsonObject = Object.freeze(Object.create(null));
  return Object.freeze(Object.assign(Object.create(null), { pstate }));
}
