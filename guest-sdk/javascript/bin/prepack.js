// Puts the contract into the package, which lies a folder further up in the repository.

import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
await cp(here("../../wit/action.wit"), here("../wit/action.wit"));
