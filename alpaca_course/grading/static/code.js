// The page of points of code: one answer, one form. A decision goes to the server; the answer that follows is here already and is shown at once, the reply says whether it is still the one.
"use strict";
(() => {
const $ = id => document.getElementById(id), all = (of, within = document) => [...within.querySelectorAll(of)], form = () => $("decide"), asked = () => form().dataset.asked === "1";
const parsed = html => new DOMParser().parseFromString(html, "text/html");  // escaped by the server as in a page; scripts in it would not run
let sure = false, turn = 0, ahead = null, last = Promise.resolve();
const say = text => { $("said").textContent = text; }, SAVING = "saving …", sayUnlessAsked = text => { if (["", SAVING].includes($("said").textContent)) say(text); };  // what the form asks for is not talked over
const warn = text => { $("alert-text").textContent = text; $("alert").hidden = false; };

// ---- asking the server
const alone = job => last = last.then(job).catch(e => warn(`Something went wrong on this page: ${e}. Reload it; what is stored is safe.`));  // one thing after the other
async function ask(path, body, back = () => {}) {  // the reply's object, or nothing when it was told that there is none; `back` undoes what was shown too early
  say(body ? SAVING : "");
  let reply, found;
  try {
    reply = await fetch(path, body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    found = reply.headers.get("content-type")?.startsWith("application/json") ? await reply.json() : {error: (await reply.text()).trim()};
  } catch { found = null; }
  sayUnlessAsked("");
  if (reply?.ok && found) return found;
  back(); say("");
  if (!found) warn(`Not ${body ? "stored" : "shown"}: the grading program does not answer. Keep this page open, start the program again, and press the key once more.`);
  else if (found.seen !== undefined) theirs(found);
  else warn(`Not ${body ? "stored" : "shown"}. ${found.error}`);
}
function theirs(found) {  // somebody was faster: show theirs; the next Enter is about what stands there now
  form().dataset.seen = found.seen;
  $("now").replaceChildren(Object.assign(document.createElement("b"), {textContent: "Now:"}), ` ${found.now}.`);
  $("leave").disabled = false; sure = true; $("who").focus({preventScroll: true});
  warn(`${found.error} Your entry is still in the form: Enter replaces theirs, l leaves theirs.`);
}
async function quietly(path) { try { const reply = await fetch(path); return reply.ok ? await reply.json() : undefined; } catch { return undefined; } }

// ---- showing an answer
function paint(piece) {  // the answer and its form; returns the way back
  const parts = ["answer", "form"], fresh = parsed(piece.html), old = parts.map(id => [...$(id).childNodes]), title = document.title, y = scrollY;
  const put = (nodes, words, top) => { parts.forEach((id, n) => $(id).replaceChildren(...nodes[n])); document.title = words; scrollTo(0, top); $("who").focus({preventScroll: true}); sure = false; };
  put(parts.map(id => [...fresh.getElementById(id).childNodes]), piece.title, 0);
  $("alert").hidden = true;
  return () => put(old, title, y);
}
function show(found, words = "", history_by = "pushState", painted = null) {
  if (painted && painted.stamp === found.stamp) $("bank")?.replaceChildren(...parsed(found.html).getElementById("bank").childNodes); else paint(found);
  ahead = found.ahead; sayUnlessAsked(words);
  $("bar").max = found.total || 1; $("bar").value = found.decided; $("progress").textContent = `${found.decided} of ${found.total} flagged decided`;
  for (const [place, n] of [["Code", found.undecided], ["Regrades", found.regrades]]) { const a = all(".top nav a").find(a => a.pathname === `/${place.toLowerCase()}`); if (a) a.textContent = n ? `${place} (${n})` : place; }
  const url = found.answer ? `/code?answer=${found.answer}` : "/code";
  if (location.pathname + location.search !== url) history[history_by](null, "", url);
  document.documentElement.dataset.shown = found.answer;
  lists(found);
}
const go = (query, history_by) => alone(async () => { const found = await ask(`/api/code/show?${query}`); if (found) show(found, "", history_by); });
const skip = () => alone(async () => {
  const here = form()?.dataset.answer, found = await ask(`/api/code/show?after=${here ?? 0}`);
  if (found) show(found, String(found.answer) === here ? "No other answer waits for a person." : "");
});

// ---- the list beside it: who was decided goes; who is new is asked for
async function lists(found) {
  const mine = ++turn;
  let missing = Object.keys(found.waiting).some(why => !all("#lists section").some(s => s.dataset.why === why));
  for (const s of all("#lists section")) {
    const left = new Set(found.waiting[s.dataset.why] ?? []);
    for (const li of all("li", s)) if (!left.delete(+li.dataset.answer)) li.remove();
    for (const ol of all("ol", s)) if (!ol.childElementCount) { ol.previousElementSibling.remove(); ol.remove(); }
    const n = all("li", s).length, h = s.querySelector("h2");
    if (n) h.textContent = `${h.dataset.words} (${n})`; else s.remove();
    missing ||= left.size > 0;
  }
  $("rest").hidden = !found.rest; $("rest").querySelector("summary").textContent = `The rest (${found.rest})`; $("others").replaceChildren();
  current();
  if (missing) {
    const html = (await quietly("/api/code/list"))?.html;
    if (html === undefined || mine !== turn) return;  // a newer reply is on its way, or the program is away: the next decision says so
    $("lists").replaceChildren(...parsed(html).body.childNodes); current();
  }
  if ($("rest").open && mine === turn) others();
}
function current() {
  for (const a of all(".list a")) {
    const here = a.search === location.search && location.search !== "", box = here && a.closest(".scroll, #others");
    if (here) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
    if (box) { const top = a.getBoundingClientRect().top - box.getBoundingClientRect().top; if (top < 0 || top > box.clientHeight - 30) box.scrollTop += top - box.clientHeight / 3; }
  }
}
async function others() {
  const rows = await quietly("/api/code/rest"), make = (tag, text, more = {}) => Object.assign(document.createElement(tag), {textContent: text, ...more});
  if (!rows) return say("The list cannot be read: the grading program does not answer.");
  $("others").replaceChildren(...rows.flatMap(([answer, student, title, points], n) => {
    const li = make("li", "");
    li.append(make("a", student, {href: `/code?answer=${answer}`}), " ", make("span", points, {className: "soft"}));
    return n && rows[n - 1][2] === title ? [li] : [make("li", title, {className: "soft"}), li];
  }));
  current();
}

// ---- decisions
function decide(body) {
  const {answer, seen} = form().dataset, sent = {answer: +answer, seen: +seen, reason: $("reason").value, ...body};
  alone(async () => {
    if (form()?.dataset.answer !== answer || form().dataset.seen !== seen) return;  // the key was about what is not here any more
    const painted = ahead, found = await ask("/api/code", sent, painted ? paint(painted) : undefined);
    if (found) show(found, `Stored: ${found.said}. u takes it back.${found.answer ? "" : " It was the last one."}`, "pushState", painted);
  });
}
function given() {  // what was typed as a number, with a point or a comma; NaN for anything else
  const typed = $("points").value.trim();
  return /^(\d{1,6}([.,]\d{0,9})?|[.,]\d{1,9})$/.test(typed) ? Number(typed.replace(",", ".")) : NaN;
}
function give() {
  const typed = $("points").value.trim(), points = given(), {most, auto} = form().dataset, wrong = !(points >= 0 && points <= +most);
  $("points").setAttribute("aria-invalid", wrong);
  if (wrong) { $("points").focus(); $("points").select(); return say(`${typed ? `“${typed}” is not stored. ` : ""}Points from 0 to ${+most}, please${$("leave").disabled ? "" : ", or leave it as it is"}.`); }
  const other = asked() ? "A regrade request needs a sentence as its answer." : auto === "" ? "The tests gave no points: say why these." : Math.abs(points - auto) > .005 ? `The tests gave ${Math.round(100 * auto) / 100}: say why you give other points.` : "";
  if (other && !$("reason").value.trim()) { $("reason").focus(); return say(other); }
  decide({do: "give", points});
}
function leave() {
  if ($("leave").disabled) return say("There are no points to leave as they are: give some.");
  if (asked() && !$("reason").value.trim()) { $("reason").focus(); return say("A regrade request needs a sentence as its answer."); }
  if (!asked() && !sure && ($("points").value || $("reason").value)) { sure = true; return say("What you typed would not be stored. l again leaves it as it is; Enter gives."); }
  decide({do: "leave", ...(asked() ? {} : {reason: ""})});
}
const undo = () => alone(async () => {
  const found = await ask("/api/code/undo", {});
  if (found) found.html ? show(found, found.said) : say(found.said);
});
function reuse(n) { const b = $("bank")?.children[n]; if (b) { $("reason").value = b.title; say(`Reason: ${b.title}`); } }

// ---- keys and clicks
const actions = {l: () => form() && leave(), u: undo, s: skip, c: () => $("reason")?.focus(), "?": () => { $("help").open = !$("help").open; $("help").scrollIntoView({block: "nearest"}); }};
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  const t = e.target, typing = t.matches("input:not([type=checkbox])");
  if (e.key === "Escape" && typing) { t.blur(); $("who").focus(); return; }
  if (typing && e.key === "Enter") { e.preventDefault(); if (!e.repeat) give(); return; }
  if (typing || !$("keys").checked) return;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(e.code);
  if (digit && e.shiftKey && e.code[0] === "D") { e.preventDefault(); return reuse(digit[1] - 1); }
  if (form() && !e.shiftKey && (digit || e.key === "." || e.key === ",")) { $("points").focus(); $("points").select(); return; }  // the sign itself lands in the field, in place of an older number
  if (e.key === "Enter") { if (t.matches("button, summary, a") || !form()) return; e.preventDefault(); if (!e.repeat) give(); return; }
  const action = actions[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (!action || e.repeat) return;
  e.preventDefault(); action();
});
document.addEventListener("submit", e => { e.preventDefault(); give(); });
document.addEventListener("input", e => { if (e.target.id === "points") e.target.removeAttribute("aria-invalid"); });
document.addEventListener("click", e => {
  const t = e.target.closest("button, a");
  if (!t) return;
  if (t.id === "leave") leave(); else if (t.id === "undo") undo();
  else if (t.id === "alert-close") { $("alert").hidden = true; $("who").focus(); }
  else if (t.parentElement.id === "bank") { reuse([...t.parentElement.children].indexOf(t)); $("reason").focus(); }
  else if (t.matches(".list a") && !(e.ctrlKey || e.metaKey || e.shiftKey || e.altKey)) { e.preventDefault(); go(t.search.slice(1)); }
});
$("rest").addEventListener("toggle", () => { if ($("rest").open && !$("others").childElementCount) others(); });
addEventListener("popstate", () => go(location.search.slice(1), "replaceState"));
if (form()) history.replaceState(null, "", `/code?answer=${form().dataset.answer}`);  // so that Back and Reload come to this one
if (form()) alone(async () => { ahead = (await quietly(`/api/code/show?answer=${form().dataset.answer}`))?.ahead ?? null; });
current();
$("who").focus({preventScroll: true});
document.documentElement.dataset.ready = "1"; document.documentElement.dataset.shown = form()?.dataset.answer ?? 0;
})();
