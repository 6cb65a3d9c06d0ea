/** The key broker of the benchmark, in a process of its own so that its work doesn't count. Sends the parent its URL. */
import process from "node:process";
import { startKbs } from "../../kbs/embedded/embedded-kbs.ts";

const kbs = await startKbs({ resources: { "default/bench/key": "secret" } });
process.send?.({ url: kbs.url });
process.once("disconnect", () => void kbs.close());
