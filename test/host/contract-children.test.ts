/** The contracts' suites over our own providers in processes of their own; the HTTP server's is beside its tests. */
import { type Builtin, findBuiltin } from "../../capabilities/index.ts";
import { BuiltinChild } from "../../host/children/builtin-child.ts";
import { httpClientSuite, loggingSuite, numbersSuite } from "../../testing/index.ts";

const child = (name: string) => ({ provider: new BuiltinChild(findBuiltin(`child:builtin:${name}`) as Builtin, {}) });

httpClientSuite("a child", () => child("httpclient"));
loggingSuite("a child", () => child("logging"));
numbersSuite("a child", () => child("numbergen"));
