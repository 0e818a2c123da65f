// The component's one export. The build puts the author's file in the place of "fusebox:author".

import "./prelude.js";
import * as author from "fusebox:author";
import { failure } from "./failure.js";
import { settled } from "./loop.js";
import { call, handler, success } from "./run.js";

const action = handler(author);

export function run(sent) {
  try {
    return success(settled(() => call(action, sent)));
  } catch (error) {
    // Thrown, it is the failure of the contract: the glue of the engine takes it from there.
    throw failure(error);
  }
}
