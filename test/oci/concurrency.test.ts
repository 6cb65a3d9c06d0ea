import { describe, expect, test } from "vitest";
import { mapConcurrently, SharedWork } from "../../guest/oci/concurrency.ts";

const never = new AbortController().signal;
const whenAborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
  );

describe("mapConcurrently", () => {
  test("keeps the order and the limit", async () => {
    let running = 0;
    let most = 0;
    const results = await mapConcurrently([3, 1, 2], 2, never, async (item) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < item; turn++) await Promise.resolve();
      running--;
      return item * 10;
    });
    expect(results).toEqual([30, 10, 20]);
    expect(most).toBe(2);
  });

  test("the first failure stops the others, begins no more, and is thrown when they have ended", async () => {
    const events: string[] = [];
    const failure = mapConcurrently(["waits", "fails", "never begins"], 2, never, async (item, signal) => {
      events.push(`${item} begins`);
      if (item === "fails") throw new Error("first");
      await whenAborted(signal).finally(() => events.push(`${item} ends`));
    });
    await expect(failure).rejects.toThrow("first");
    expect(events).toEqual(["waits begins", "fails begins", "waits ends"]);
  });

  test("the caller's signal stops all and gives the reason", async () => {
    const abort = new AbortController();
    const failure = mapConcurrently([1, 2], 2, abort.signal, (_item, signal) => whenAborted(signal));
    abort.abort(new Error("enough"));
    await expect(failure).rejects.toThrow("enough");
  });
});

describe("SharedWork", () => {
  test("callers at the same time share one run, later ones get a new one", async () => {
    const shared = new SharedWork<string, number>();
    let runs = 0;
    const work = async () => ++runs;
    expect(await Promise.all([shared.run("a", never, work), shared.run("a", never, work)])).toEqual([1, 1]);
    expect(await shared.run("a", never, work)).toBe(2);
    expect(shared.isRunning("a")).toBe(false);
  });

  test("it is stopped when the last caller has gone, and not before", async () => {
    const shared = new SharedWork<string, never>();
    const first = new AbortController();
    const second = new AbortController();
    let stopped = false;
    const work = (signal: AbortSignal) =>
      whenAborted(signal).finally(() => {
        stopped = true;
      });
    const one = shared.run("a", first.signal, work);
    const two = shared.run("a", second.signal, work);
    first.abort(new Error("one"));
    await expect(one).rejects.toThrow("one");
    expect(stopped).toBe(false);
    second.abort(new Error("two"));
    await expect(two).rejects.toThrow("two");
    expect(stopped).toBe(true);
  });
});
