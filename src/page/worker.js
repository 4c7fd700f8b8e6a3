// Runs a hub away from the page: as a SharedWorker for all tabs, or as a Worker for one.

import { Hub } from "./hub.js";

const hub = new Hub();
/** @type {any} */
const scope = globalThis;
if ("onconnect" in scope) scope.onconnect = (/** @type {MessageEvent} */ event) => hub.join(event.ports[0]);
else hub.join(scope);
