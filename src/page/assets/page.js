// The token is kept in this variable and nowhere else: no URL, no cookie, no storage that another
// tab, a later visitor or an extension of this origin could read. A reload signs out.
let token = "";

const POLL = 3000;
const POLL_MAX = 8000;
const ANSWER = 10000;
// Older data are not live. The operator reads them every two seconds.
const LIVE = 10000;
const NEWS = 10000;

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

// Creates an element. Text is text: nothing that comes from the operator is ever parsed as HTML.
const el = (name, properties, ...children) => {
  const { role, data, ...rest } = properties ?? {};
  const element = Object.assign(document.createElement(name), rest);
  if (role) element.setAttribute("role", role);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
// Text with `code` in backticks.
const marked = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

const fresh = { at: 0, age: 0, now: 0, tag: "", url: "", error: "", denied: false };
let page = 0;
let timer = 0;
let failures = 0;
let running = null;
let said = { text: "", at: -NEWS };
let news = "";

const url = () => {
  const wanted = { namespace: $("namespace").value.trim(), state: $("state").value, filter: $("filter").value.trim() };
  const given = Object.entries(wanted).filter(([, value]) => value);
  if (page > 0) given.push(["page", page]);
  const query = new URLSearchParams(given).toString();
  return query ? `api/view?${query}` : "api/view";
};

const poll = async () => {
  clearTimeout(timer);
  running?.abort();
  if (!token) return;
  const abort = new AbortController();
  running = abort;
  const deadline = setTimeout(() => abort.abort("late"), ANSWER);
  const asked = url();
  const headers = { Authorization: `Bearer ${token}` };
  if (fresh.tag && fresh.url === asked) headers["If-None-Match"] = fresh.tag;
  let late = true;
  try {
    const answer = await fetch(asked, { headers, signal: abort.signal, cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
    const body = answer.status === 304 ? null : await answer.json();
    if (running !== abort) return;
    late = false;
    take(answer, body, asked);
  } catch (error) {
    if (running !== abort) return;
    failed(late && abort.signal.aborted ? "the operator does not answer" : "the operator cannot be reached");
  } finally {
    clearTimeout(deadline);
    if (running === abort) {
      running = null;
      if (token && !document.hidden) timer = setTimeout(poll, Math.min(POLL * 2 ** failures, POLL_MAX));
    }
  }
};

const take = (answer, body, asked) => {
  const why = body?.error ?? `the operator answers ${answer.status}`;
  if (answer.status === 401) return leave(why);
  if (answer.status === 403) return refused(why);
  if (answer.status !== 200 && answer.status !== 304) return failed(why);
  failures = 0;
  const wasLost = fresh.error !== "";
  Object.assign(fresh, {
    at: performance.now(),
    age: Number(answer.headers.get("groundlink-age")),
    now: Number(answer.headers.get("groundlink-now")),
    tag: answer.headers.get("etag"),
    url: asked,
    error: "",
    denied: false,
  });
  const enters = $("board").hidden;
  if (enters) enter();
  if (body) show(body);
  if (wasLost && !enters) announce("The page is live again.", true);
  tick();
  if (enters) $("main").focus({ preventScroll: true });
};

const failed = (why) => {
  failures += 1;
  if ($("board").hidden) return signInError(`${capital(why)}. Trying again.`);
  if (fresh.error === "") announce(`The page is not live: ${why}.`, true);
  fresh.error = why;
  tick();
};

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const signInError = (why) => {
  $("sign-in-error").textContent = why;
  $("sign-in-error").hidden = !why;
};

// Whoever may see nothing any more does not keep what was shown.
const wipe = () => {
  clearTimeout(timer);
  running?.abort();
  running = null;
  token = "";
  page = 0;
  failures = 0;
  Object.assign(fresh, { at: 0, age: 0, now: 0, tag: "", url: "", error: "", denied: false });
  for (const id of ["satellite-tiles", "satellite-rows", "current-rows", "object-tiles", "object-rows", "namespaces", "not-ready"]) $(id).replaceChildren();
  for (const id of ["filter", "namespace", "state"]) $(id).value = "";
  for (const id of ["current-summary", "objects-note", "no-satellites", "page-text", "not-live", "news"]) $(id).textContent = "";
  rows.clear();
  said = { text: "", at: -NEWS };
  news = "";
  document.documentElement.classList.remove("stale");
  document.title = "Groundlink";
  for (const id of ["board", "live", "sign-out"]) $(id).hidden = true;
  $("sign-in").hidden = false;
};
const leave = (why) => {
  wipe();
  $("token").value = "";
  signInError(why ? `${capital(why)}.` : "");
  $("token").focus();
};
const refused = (why) => {
  if ($("board").hidden) {
    // The token stays in its field, for another try with a namespace.
    token = "";
    signInError(`${capital(why)}.`);
    return $("first-namespace").focus();
  }
  // Another namespace may be allowed, so the person stays signed in.
  Object.assign(fresh, { tag: "", error: why, denied: true });
  rows.clear();
  showOperator({ leads: true, ready: true, notes: [] });
  showSatellites(null);
  showObjects(null);
  document.title = "Groundlink";
  announce(`${capital(why)}.`, true);
  tick();
};
const enter = () => {
  $("token").value = "";
  signInError("");
  $("sign-in").hidden = true;
  for (const id of ["board", "live", "sign-out"]) $(id).hidden = false;
  $("current").open = matchMedia("(min-width: 46rem)").matches;
};

// A screen reader hears what changed, not each answer, and not more than one change in a while.
const announce = (text, isUrgent) => {
  news = text;
  if (isUrgent) said.at = -NEWS;
  speak();
};
const speak = () => {
  const now = performance.now();
  if (news === said.text || now - said.at < NEWS) return;
  said = { text: news, at: now };
  $("news").textContent = news;
};

const age = (seconds) => {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return `${s} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
};
const serverNow = () => fresh.now + (performance.now() - fresh.at) / 1000;
const since = (unix) =>
  unix ? el("time", { dateTime: new Date(unix * 1000).toISOString(), title: new Date(unix * 1000).toISOString(), data: { since: unix } }, age(serverNow() - unix)) : "–";

const tick = () => {
  if ($("board").hidden) return;
  speak();
  const old = fresh.age + performance.now() - fresh.at;
  const isStale = fresh.error !== "" || old > LIVE;
  document.documentElement.classList.toggle("stale", isStale);
  if (fresh.denied) {
    $("live-text").textContent = "Nothing to see";
    return set("not-live", `${capital(fresh.error)}.`);
  }
  $("live-text").textContent = isStale ? `Not live: these data are ${age(old / 1000)} old` : `Live, read ${age(old / 1000)} ago`;
  const why = fresh.error || "the operator reads no newer state";
  set("not-live", isStale ? `${capital(why)}. What you see is old; the page tries again by itself.` : "");
  const now = serverNow();
  for (const time of document.querySelectorAll("time[data-since]")) {
    const text = age(now - Number(time.dataset.since));
    if (time.textContent !== text) time.textContent = text;
  }
};

// What did not change is not heard again.
const text = (id, text) => {
  if ($(id).textContent !== text) $(id).textContent = text;
};
const set = (id, content) => {
  text(id, content);
  $(id).hidden = content === "";
};

const tile = (count, label, kind) => el("li", { className: count > 0 ? kind : "" }, el("b", {}, number.format(count)), label);

// Rows that did not change keep their elements, and with them a selection.
const rows = new Map();
const fill = (id, items, key, make) => {
  const before = rows.get(id) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const text = JSON.stringify(item);
    const old = before.get(key(item));
    after.set(key(item), old?.text === text ? old : { text, element: make(item) });
  }
  rows.set(id, after);
  const elements = [...after.values()].map((row) => row.element);
  const shown = $(id).children;
  if (shown.length !== elements.length || elements.some((element, i) => shown[i] !== element)) $(id).replaceChildren(...elements);
};

const why = (message, remedy) => [
  message ? el("p", {}, ...marked(message)) : null,
  remedy ? el("p", { className: "do" }, el("b", {}, "Do: "), ...marked(remedy)) : null,
];
const tr = (...cells) => el("tr", { role: "row" }, ...cells);
const th = (...children) => el("th", { role: "rowheader", scope: "row" }, ...children);
const td = (...children) => el("td", { role: "cell" }, ...children);

const KINDS = { failing: "bad", behind: "wait", warned: "wait", suspended: "", current: "good", refused: "bad", waiting: "wait" };
const badge = (word) => el("span", { className: `badge ${KINDS[word] ?? ""}` }, word);

const revisions = (row) => {
  const parts = [];
  if (row.desired && row.delivered === row.desired) parts.push(`holds ${row.delivered}`);
  else parts.push(row.delivered ? `holds ${row.delivered}` : "holds nothing", row.desired ? `should hold ${row.desired}` : null);
  if (row.agents > 0) parts.push(row.loaded ? `runs ${row.loaded}` : "runs none");
  return parts.filter(Boolean).map((part) => el("p", {}, part));
};
const satelliteRow = (row) =>
  tr(
    th(row.name, " ", badge(row.stage), row.reason && el("span", { className: "soft" }, row.reason)),
    td(...revisions(row), row.deliveredAt && el("p", { className: "soft" }, "delivered ", since(row.deliveredAt), " ago")),
    td(since(row.since)),
    td(...why(row.message, row.remedy)),
  );
const currentRow = (row) =>
  el(
    "li",
    {},
    row.name,
    el("span", {}, row.delivered ?? "no set", row.agents > 0 ? " loaded" : "", row.deliveredAt && " · ", row.deliveredAt && since(row.deliveredAt)),
  );
const objectRow = (row) =>
  tr(
    th(row.name, el("span", { className: "soft" }, `${row.kind ?? "unknown type"} in ${row.namespace}`)),
    td(badge(row.state), el("span", { className: "reason" }, row.reason)),
    td(since(row.since)),
    td(...why(row.message, row.remedy)),
  );

const showSatellites = (seen) => {
  $("satellite-tiles").hidden = !seen;
  const open = seen?.rows.filter((row) => row.stage !== "current") ?? [];
  const current = seen?.rows.filter((row) => row.stage === "current") ?? [];
  let note = "";
  if (!seen) note = "You may not list SatelliteClusters of the operator's namespace.";
  else if (!seen.complete) note = "The operator has not listed all SatelliteClusters yet.";
  else if (seen.total === 0) note = "There is no SatelliteCluster.";
  else if (seen.rows.length < seen.total) note = `${number.format(seen.total - seen.rows.length)} more satellites are counted and not listed.`;
  set("no-satellites", note);
  $("satellites").hidden = open.length === 0;
  $("current").hidden = current.length === 0;
  fill("satellite-rows", open, (row) => row.name, satelliteRow);
  fill("current-rows", current, (row) => row.name, currentRow);
  if (!seen) return;
  $("current-summary").textContent = `${number.format(seen.current)} hold the newest set: its revision, and the time since it was delivered`;
  const tiles = [
    tile(seen.failing, "satellites failing", "bad"),
    tile(seen.behind, "behind", "wait"),
    tile(seen.warned, "warned", "wait"),
    tile(seen.suspended, "suspended", ""),
    tile(seen.current, `current of ${number.format(seen.total)}`, "good"),
  ];
  $("satellite-tiles").replaceChildren(...tiles);
};

const showObjects = (seen) => {
  for (const id of ["object-tiles", "pager"]) $(id).hidden = !seen;
  if (!seen) {
    $("objects").hidden = true;
    fill("object-rows", [], () => "", objectRow);
    return set("objects-note", "You may not list the MonitoringObjects of all namespaces. Give a namespace whose objects you may list.");
  }
  const tiles = [
    tile(seen.refused, "objects refused", "bad"),
    tile(seen.waiting, "waiting", "wait"),
    tile(seen.suspended, "suspended", ""),
    tile(seen.done, `done of ${number.format(seen.total)}`, "good"),
  ];
  $("object-tiles").replaceChildren(...tiles);
  fill("object-rows", seen.rows, (row) => `${row.namespace}/${row.name}`, objectRow);
  $("objects").hidden = seen.rows.length === 0;
  const notes = [];
  if (!seen.complete) notes.push("The operator does not know all objects yet.");
  if (seen.leftOut > 0) notes.push(`${number.format(seen.leftOut)} more objects wait. They are counted, and neither listed nor searched.`);
  if (seen.rows.length === 0 && seen.complete) {
    const isFiltered = $("filter").value.trim() || $("state").value;
    notes.push(isFiltered ? "No object matches." : seen.total === 0 ? "There is no object." : "Every object is published and on every satellite that should hold it.");
  }
  set("objects-note", notes.join(" "));
  page = seen.page;
  $("pager").hidden = seen.rows.length === 0;
  for (const id of ["previous", "next"]) $(id).hidden = seen.pages < 2;
  text("page-text", `Page ${number.format(seen.page + 1)} of ${number.format(seen.pages)}, ${number.format(seen.matching)} objects`);
  $("previous").setAttribute("aria-disabled", String(seen.page === 0));
  $("next").setAttribute("aria-disabled", String(seen.page + 1 >= seen.pages));
  fill("namespaces", seen.namespaces, (name) => name, (name) => el("option", { value: name }));
};

const showOperator = (operator) => {
  const lines = [];
  if (!operator.leads) lines.push("This process does not lead. It publishes nothing, and knows what statuses say.");
  if (!operator.ready) lines.push(...(operator.missing.length ? operator.missing.map((line) => `Not ready: ${line}`) : ["The operator is not ready."]));
  lines.push(...operator.notes);
  fill("not-ready", lines, (line) => line, (line) => el("p", {}, line));
  $("not-ready").hidden = lines.length === 0;
};

const show = ({ operator, satellites, objects }) => {
  showOperator(operator);
  showSatellites(satellites);
  showObjects(objects);
  const parts = [];
  if (objects) parts.push(`${number.format(objects.refused)} objects refused, ${number.format(objects.waiting)} waiting`);
  if (satellites) parts.push(`${number.format(satellites.current)} of ${number.format(satellites.total)} satellites current`);
  announce(`${parts.join("; ")}.`);
  const worst = (objects?.refused ?? 0) + (satellites?.failing ?? 0);
  document.title = worst > 0 ? `(${number.format(worst)}) Groundlink` : "Groundlink";
};

$("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("namespace").value = $("first-namespace").value.trim();
  signInError("");
  poll();
});
$("sign-out").addEventListener("click", () => leave(""));
$("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  page = 0;
  poll();
});
let typing = 0;
for (const id of ["filter", "namespace", "state"]) {
  $(id).addEventListener("input", () => {
    clearTimeout(typing);
    page = 0;
    // A namespace that is not whole may be one that they may not list.
    typing = setTimeout(poll, id === "namespace" ? 800 : 300);
  });
}
const turn = (button, by) =>
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    page = Math.max(0, page + by);
    poll();
  });
turn($("previous"), -1);
turn($("next"), 1);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
setInterval(tick, 1000);
