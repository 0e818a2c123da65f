import { host } from "./attempt.js";

export default { left: () => host().left(), cancelled: () => host().cancelled };
