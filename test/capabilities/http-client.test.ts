import assert from "node:assert/strict";
import { test } from "node:test";
import { httpClient } from "../../capabilities/index.ts";
import { isPrivateAddress } from "../../capabilities/http-client/private-addresses.ts";
import { httpClientSuite } from "../../testing/index.ts";

httpClientSuite("undici's", () => ({ provider: httpClient() }));

test("addresses of this machine, its networks and of what tunnels to them are private", () => {
  const closed =
    "0.0.0.0 10.1.1.1 127.9.9.9 169.254.169.254 172.31.0.1 192.168.1.1 224.0.0.1 ::1 :: fe80::1%eth0 fd00::1";
  const tunnels = "::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1";
  for (const address of `${closed} ${tunnels}`.split(" ")) assert.equal(isPrivateAddress(address), true, address);
  for (const address of "1.1.1.1 172.32.0.1 2606:4700::1111 ::ffff:8.8.8.8".split(" "))
    assert.equal(isPrivateAddress(address), false, address);
});
