// Uses examples/gitgud as browsers without JavaScript and other programs do: node gitgud.mjs BASE check | load.
// check prints what it saw as one JSON object. load has several users at work until its input ends, says how far
// they are for each line that it reads, and at the end what was said to be kept, and what failed.
import readline from "node:readline";

const [base, mode] = process.argv.slice(2);
const unescape = (text) => text.replaceAll("&quot;", '"').replaceAll("&#x27;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">")
  .replaceAll("&amp;", "&");

class Browser {
  cookie = "";

  async ask(path, options = {}) {
    const reply = await fetch(base + path, { redirect: "manual", ...options, headers: { cookie: this.cookie, ...options.headers } });
    for (const one of reply.headers.getSetCookie()) this.cookie = one.split(";")[0];
    return { status: reply.status, location: reply.headers.get("location"), text: await reply.text() };
  }

  async json(method, path, body) {
    const reply = await this.ask(path, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    return { status: reply.status, body: reply.text ? JSON.parse(reply.text) : null };
  }

  // Fills in the form of a page that has this field, with the hidden fields that the page gives it.
  async submit(path, fields) {
    const page = await this.ask(path);
    const form = page.text.split("<form").slice(1).map((part) => part.split("</form>")[0])
      .find((part) => part.includes(`name="${Object.keys(fields)[0]}"`));
    if (!form) throw new Error(`${path} has no such form: ${page.status} ${page.text.slice(0, 300)}`);
    const data = new FormData();
    for (const [input] of form.matchAll(/<input type="hidden"[^>]*>/g))
      data.set(unescape(/name="([^"]*)"/.exec(input)[1]), unescape(/value="([^"]*)"/.exec(input)?.[1] ?? ""));
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return this.ask(path, { method: "POST", body: data, headers: { origin: base } });
  }

  async signIn(email) {
    const reply = await this.submit("/sign-in", { email });
    if (reply.status !== 303) throw new Error(`sign-in: ${reply.status} ${reply.text.slice(0, 300)}`);
    return this;
  }
}

const titles = (page) => [...page.matchAll(/class="title">([^<]*)</g)].map((found) => unescape(found[1]));

async function check() {
  const out = {};
  const nobody = new Browser();
  out.health = await nobody.json("GET", "/api/health");
  out.stranger = [(await nobody.json("GET", "/api/problems")).status, (await nobody.json("GET", "/api/log")).status,
    (await nobody.ask("/")).location];
  out.forged = await (async () => {
    const forger = new Browser();
    forger.cookie = `gitgud-session=ann%40example.com.${"0".repeat(64)}`;
    return (await forger.json("GET", "/api/problems")).status;
  })();

  const ann = await new Browser().signIn("Ann@Example.com");
  out.empty = titles((await ann.ask("/")).text);
  const added = await ann.submit("/", { title: "Two <Sum>", difficulty: "easy", platform: "LeetCode", tags: "arrays, hash table" });
  out.pageAdd = [added.status, added.location];
  const refused = await ann.submit("/", { title: "x", difficulty: "impossible" });
  out.pageRefused = [refused.status, new URL(refused.location, base).searchParams.get("wrong")];
  out.pageList = titles((await ann.ask("/")).text);
  const first = (await ann.json("GET", "/api/problems")).body[0];
  out.listed = { title: first.title, difficulty: first.difficulty, tags: first.tags, attempts: first.attempts.length,
    dated: Math.abs(Date.now() - Date.parse(first.createdAt)) < 600_000 };
  out.pageAttempt = (await ann.submit(`/problems/${first.id}`, { status: "failed", timeTaken: "30", notes: "off by \"one\"" })).status;
  const page = (await ann.ask(`/problems/${first.id}`)).text;
  out.pageAttempts = unescape(page).includes("off by \"one\"") && page.includes("Failed");

  const made = await ann.json("POST", "/api/problems", { title: "Gräfin ✓", difficulty: "hard", tags: ["graphs"], url: "https://example.com/g" });
  out.made = [made.status, made.body.title, made.body.tags];
  const attempts = `/api/problems/${made.body.id}/attempts`;
  const attempt = await ann.json("POST", attempts, { status: "partial", timeTaken: 45, solutionCode: "a\\b\n\t'c'" });
  out.attempt = [attempt.status, attempt.body.status, attempt.body.solutionCode];
  out.changed = (await ann.json("PUT", `${attempts}/${attempt.body.id}`, { status: "solved", timeTaken: 50 })).body.status;
  out.attempts = (await ann.json("GET", attempts)).body.map((one) => [one.status, one.timeTaken]);
  out.bad = [await ann.json("POST", "/api/problems", { title: "", difficulty: "easy" }), await ann.json("POST", attempts, { status: "won" })]
    .map((reply) => [reply.status, reply.body.error]);
  out.missing = (await ann.json("GET", "/api/problems/00000000-0000-0000-0000-000000000000")).status;

  const edge = await ann.json("POST", "/api/log", { title: "Edge", difficulty: "medium", status: "solved", timeTaken: 5 });
  out.edge = [edge.status, edge.body.problem.title, edge.body.attempt.status, edge.body.attempt.problemId === edge.body.problem.id];
  out.edgeList = (await ann.json("GET", "/api/log")).body.map((one) => [one.title, one.status, one.timeTaken]);
  out.stats = (await ann.json("GET", "/api/dashboard/stats")).body;

  const bob = await new Browser().signIn("bob@example.com");
  out.others = [(await bob.json("GET", "/api/problems")).body, (await bob.json("GET", `/api/problems/${first.id}`)).status,
    (await bob.json("POST", attempts, { status: "solved" })).status, (await bob.json("DELETE", `/api/problems/${first.id}`)).status];
  out.removed = [(await ann.json("DELETE", `/api/problems/${first.id}`)).status, (await ann.json("GET", "/api/problems")).body.length];
  console.log(JSON.stringify(out));
}

async function load() {
  let stopping = false;
  const failed = [];
  const problems = [];
  const attempts = [];
  const turns = {};
  const work = (name, turn) => async () => {
    const browser = await new Browser().signIn(`${name}@example.com`);
    for (turns[name] = 0; !stopping && failed.length === 0; turns[name]++) {
      try {
        await turn(browser, `${name}-${turns[name]}`);
      } catch (error) {
        failed.push(`${name}: ${error.message}`);
      }
    }
  };
  const right = (reply, status) => {
    if (reply.status !== status) throw new Error(`${reply.status} ${JSON.stringify(reply.body ?? reply.text).slice(0, 300)}`);
    return reply.body;
  };
  const node = async (browser, title) => {
    const problem = right(await browser.json("POST", "/api/problems", { title, difficulty: "easy", tags: ["x", "y z"] }), 201);
    problems.push(title);
    attempts.push(right(await browser.json("POST", `/api/problems/${problem.id}/attempts`, { status: "solved" }), 201).id);
  };
  const edge = async (browser, title) => {
    const made = right(await browser.json("POST", "/api/log", { title, difficulty: "hard", status: "failed" }), 201);
    problems.push(title);
    attempts.push(made.attempt.id);
    const listed = right(await browser.json("GET", "/api/log"), 200);
    if (!listed.some((one) => one.title === title)) throw new Error(`${title} is not in the log`);
  };
  const pages = async (browser, title) => {
    right(await browser.submit("/", { title, difficulty: "medium" }), 303);
    problems.push(title);
    if (!titles((await browser.ask("/")).text).includes(title)) throw new Error(`${title} is not on the page`);
  };
  const health = async (browser) => right(await browser.json("GET", "/api/health"), 200);
  const users = [work("node-1", node), work("node-2", node), work("edge", edge), work("pages", pages), work("health", health)];
  const all = Promise.all(users.map((user) => user()));
  readline.createInterface({ input: process.stdin })
    .on("line", () => console.log(JSON.stringify({ turns, failed })))
    .on("close", () => { stopping = true; });
  await all;
  console.log(JSON.stringify({ turns, failed, problems, attempts }));
}

await (mode === "load" ? load() : check());
