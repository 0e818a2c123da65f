// Names that need no import. The build takes those that are used and leaves out the others.

export { console } from "./console.js";
export { clearInterval, clearTimeout, setInterval, setTimeout } from "./timers.js";
export { structuredClone } from "./web/clone.js";
export { crypto } from "./web/crypto.js";
export { Headers, Response, fetch } from "./web/fetch.js";
export { URLSearchParams } from "./web/params.js";
export { TextDecoder, TextEncoder } from "./web/text.js";
export { URL } from "./web/url.js";
