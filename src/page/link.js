// The page's way to a hub: in a SharedWorker, else in a Worker of its own, else in the page itself.

import { Hub } from "./hub.js";

/** @typedef {import("./hub.js").Port} Port */

/** @returns {Port} */
export function connect() {
  const options = /** @type {WorkerOptions} */ ({ type: "module", name: "sidetail" });
  const url = new URL("./worker.js", import.meta.url);
  const { SharedWorker, Worker } = /** @type {any} */ (globalThis);
  try {
    if (SharedWorker) return new SharedWorker(url, options).port;
  } catch {
    // Some browsers have it and do not let it run.
  }
  try {
    if (Worker) return new Worker(url, options);
  } catch {
    // The page itself can do it, more slowly.
  }
  const channel = new MessageChannel();
  new Hub().join(channel.port1);
  return channel.port2;
}

/** Holds a lock until the page is gone, so that the hub notices. @returns {Promise<string>} its name, or "" */
export async function holdLock() {
  if (!navigator.locks) return "";
  const name = `sidetail-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  await new Promise((held) => {
    navigator.locks.request(name, () => {
      held(null);
      return new Promise(() => {});
    });
  });
  return name;
}
