// The shops that the visitors go to: the demo, and the stage of states.py.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;

/** `keystall demo` on ports of its own: `shop` and `cashier` are origins. */
export async function demo() {
  const folder = mkdtempSync(join(tmpdir(), "keystall-browser-"));
  const [listen, cashier] = [await freePort(), await freePort()];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("KEYSTALL_")));
  const child = spawn(process.env.KEYSTALL_BIN, ["demo", "--dir", join(folder, "d"), "--listen", `127.0.0.1:${listen}`, "--cashier", `127.0.0.1:${cashier}`],
    { env, stdio: ["ignore", "pipe", "ignore"] });
  const said = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, ...rest] = line.split(" ");
    said[word] = rest.join(" ");
    if (line === "ready") break;
  }
  if (!said.shop) throw new Error("the demo ended before it was ready");
  child.stdout.resume();
  return {
    shop: said.shop, cashier: said.cashier, origins: [said.shop, said.cashier],
    async close() {
      const ended = once(child, "exit");
      child.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The shop with an order in every state. `ask({do: …})` has it do what a visitor cannot. */
export async function stage() {
  const child = spawn("python3", [join(here, "../states.py")], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const heard = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("states.py ended: what it said is above");
    return JSON.parse(value);
  };
  const said = await heard();
  let last = Promise.resolve();
  return {
    ...said, origins: [said.origin, said.gateway],
    ask(command) {
      // One at a time: answers come in the order of the questions.
      last = last.catch(() => {}).then(() => { child.stdin.write(`${JSON.stringify(command)}\n`); return heard(); });
      return last;
    },
    async close() {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
