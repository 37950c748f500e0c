import type { Policy } from "../../host/index.ts";

/** No actor called "stranger", no provider called "stranger", and nobody may ask for `Secret`. */
const houseRules: Policy = (request) => {
  if (request.action === "perform_invocation") {
    if (request.operation === "Boom") throw new Error("the book of rules burns");
    return request.operation === "Secret" ? { deny: "it is a secret" } : { allow: true };
  }
  return request.name === "stranger" ? { deny: "strangers stay outside" } : { allow: true };
};
export default houseRules;
