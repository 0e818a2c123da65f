// Names that need no import. The build takes those that are used and leaves out the others.

export { clearInterval, clearTimeout, setInterval, setTimeout } from "./timers.js";
export { console } from "./console.js";
