// The page of one question. All answers came with the page; a key press shows the next one at once and sends the mark behind it.
"use strict";
(() => {
const $ = id => document.getElementById(id);
const D = JSON.parse($("data").textContent), A = D.answers;
let at = 0, member = null, chosen = new Set(), shown = false, last = null, waiting = 0, chain = Promise.resolve(), deferred = {}, since = D.since, conflicted = null;
const skipped = new Set(), L = {flags: {}, look: {}, order: new Map(), left: D.reread ?? [], mine: D.reread != null, silent: D.reread != null, texts: 0, weak: false, places: true};

// ---- small things
function make(tag, text, attributes = {}) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}
const drawn = (tag, attributes, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
};
const items = () => D.items.filter(i => !i.retired);
const worth = held => Math.max(0, Math.min(D.points, D.items.reduce((sum, i) => sum + (!i.retired && held.includes(i.id) ? i.points : 0), 0)));
const number = x => String(Math.round(x * 1000) / 1000);
const pointsOf = a => a.items === null ? null : a.direct === null ? worth(a.items) : Math.max(0, Math.min(D.points, a.direct + D.items.reduce((s, i) => s + (!i.retired && a.items.includes(i.id) ? i.points : 0), 0)));
const say = text => { $("status").textContent = text; };
const same = (a, b) => a !== null && a.length === b.length && a.every(x => b.includes(x));
const stack = () => D.stacks[at];
const open = s => s.ids.filter(id => A[id].items === null);
const marked = () => D.stacks.reduce((n, s) => n + s.ids.length - open(s).length, 0);
const total = D.stacks.reduce((n, s) => n + s.ids.length, 0);

// ---- showing
function show(index, id = null, keep = null) {
  at = index; const s = stack(); shown = false;
  member = id ?? L.left.find(x => s.ids.includes(x)) ?? open(s)[0] ?? s.ids[0];
  for (const [key, news] of Object.entries(deferred)) if (+key !== member && !A[key].pending) { Object.assign(A[key], news); delete deferred[key]; }
  const a = A[member], start = keep ?? a.mine ?? a;
  chosen = new Set(start.items ?? []);
  $("comment").value = start.comment ?? "";
  $("who").textContent = `${a.student}${s.ids.length > 1 ? ` and ${s.ids.length - 1} more` : ""}`;
  drawText(a);
  $("text").classList.toggle("empty", !a.text);
  $("text").scrollTop = 0;
  $("stack-about").textContent = {blank: `${s.ids.length} blank`, identical: `${s.ids.length} with the same text`, "near-identical": `${s.ids.length} nearly the same`, unsure: "Not sure that this belongs to the question: look at the original", single: ""}[s.kind] +
    (s.ids.length > 1 ? `, ${open(s).length} still to mark` : "");
  $("facts").textContent = [`${a.words} words`, a.problem, a.note].filter(Boolean).join("; ");
  $("full").hidden = !a.cut; $("full").href = `/text/${member}`;
  $("original").hidden = !a.original; $("original").href = `/original/${member}`;
  $("history").hidden = true; $("stack").hidden = true;
  if (D.lanes) hints(); theirs(a); applyButton(); drawItems(); drawPoints(); progress();
  $("jump").selectedIndex = at;
}
function theirs(a) {
  const lines = [];
  if (a.items !== null && (a.grader !== D.grader || a.source === "suggested-accepted")) lines.push(`${a.grader} marked this${a.source === "auto" ? " automatically" : a.source === "suggested-accepted" ? " in bulk, after a blind re-read" : ""}: ${number(pointsOf(a))} of ${number(D.points)} points${a.items.length ? ` (${a.items.map(nameOf).join(", ")})` : ""}${a.comment ? `, “${a.comment}”` : ""}.${a.mine ? " Yours, below, was not stored; mark again to replace it." : ""}`);
  for (const c of a.calibration ?? []) lines.push(`Calibration: ${c.grader} ${number(worth(c.items))}${c.comment ? `, “${c.comment}”` : ""}`);
  $("theirs").replaceChildren(...lines.map(l => make("p", l)));
  $("theirs").hidden = !lines.length;
}
const nameOf = id => { const i = items().findIndex(x => x.id === id); return i < 0 ? "an item no longer used" : `item ${i + 1}`; };
function applyButton() {
  const s = stack(), several = s.ids.length > 1 && s.kind !== "unsure";
  $("apply").hidden = !several;
  $("apply").firstChild.textContent = shown ? `Mark all ${s.ids.length} ` : `Show all ${s.ids.length} `;
  $("apply").classList.toggle("main", shown); $("next").classList.toggle("main", !shown);
  $("next").firstChild.textContent = several ? "Mark this one " : "Mark, next ";
}
function drawItems() {
  if ($("items").childElementCount !== items().length || $("items").dataset.stamp !== String(D.stamp ?? 0)) buildItems();
  for (const box of $("items").querySelectorAll("input")) box.checked = chosen.has(+box.value);
}
function buildItems() {
  $("items").dataset.stamp = String(D.stamp ?? 0);
  $("items").replaceChildren(...items().map((i, n) => {
    const label = make("label", undefined, {class: "item"}), box = make("input", undefined, {type: "checkbox", value: i.id}), words = make("span", i.text, {class: "words"});
    if (i.guideline) words.append(make("span", i.guideline, {class: "guide"}));
    box.addEventListener("change", () => toggle(i.id, box.checked));
    label.append(box, n < 9 ? make("kbd", n + 1) : "", words, make("span", (i.points > 0 ? "+" : i.points < 0 ? "−" : "") + number(Math.abs(i.points)), {class: "worth"}));
    return label;
  }));
}
function drawPoints() { $("points").textContent = `${number(worth([...chosen]))} of ${number(D.points)}`; }
function toggle(id, on = !chosen.has(id)) { on ? chosen.add(id) : chosen.delete(id); drawItems(); drawPoints(); }
function progress() {
  const done = marked(), s = $("progress");
  s.textContent = `${done} of ${total} marked`; $("bar").max = total; $("bar").value = done;
  $("saving").textContent = waiting ? `saving ${waiting} …` : done ? "all saved" : "";
  histogram();
}
function histogram() {
  const counts = new Map();
  for (const a of Object.values(A)) { const p = pointsOf(a); if (p !== null) counts.set(p, (counts.get(p) ?? 0) + 1); }
  const step = Math.min(1, ...items().map(i => Math.abs(i.points)).filter(p => p >= .05)), n = Math.round(D.points / step), top = Math.max(1, ...counts.values());
  const bins = new Array(n + 1).fill(0);
  for (const [p, c] of counts) bins[Math.min(n, Math.round(p / step))] += c;
  const w = 296 / bins.length, svg = $("histogram"), words = bins.map((c, i) => c ? `${number(i * step)} points: ${c}` : "").filter(Boolean).join(", ") || "No marks yet";
  const title = drawn("title", {id: "histogram-title"}, `Points given: ${words}`);
  const parts = [title, drawn("line", {x1: 2, x2: 298, y1: 80, y2: 80})];
  bins.forEach((c, i) => {
    if (c) parts.push(drawn("rect", {x: 2 + i * w + w * .1, width: w * .8, y: 80 - 64 * c / top, height: 64 * c / top}), drawn("text", {x: 2 + (i + .5) * w, y: 76 - 64 * c / top, "text-anchor": "middle"}, c));
    if (i % Math.ceil(bins.length / 10) === 0 || i === n) parts.push(drawn("text", {x: 2 + (i + .5) * w, y: 93, "text-anchor": "middle"}, number(i * step)));
  });
  svg.replaceChildren(...parts);
}
function drawBank() {
  $("bank").replaceChildren(...D.comments.slice(0, 9).map((c, n) => {
    const b = make("button", undefined, {type: "button", title: c});
    b.append(make("kbd", `Shift ${n + 1}`), ` ${c}`);
    b.addEventListener("click", () => reuse(n));
    return b;
  }));
}
function reuse(n) {
  const c = D.comments[n];
  if (c === undefined) return;
  const box = $("comment");
  if (!box.value.split("\n").includes(c)) box.value = box.value ? `${box.value}\n${c}` : c;
  say(`Comment: ${c}`);
}
function buildJump() {
  $("jump").replaceChildren(...D.stacks.map((s, i) => make("option", jumpText(s, i))));
}
const jumpText = (s, i) => `${i + 1}. ${A[s.ids[0]].student}${s.ids.length > 1 ? ` +${s.ids.length - 1} ${s.kind}` : ""}${open(s).length ? (skipped.has(i) ? " skipped" : "") : ` ✓ ${number(pointsOf(A[s.ids[0]]))}`}`;
function jumpRefresh(ids) { D.stacks.forEach((s, i) => { if (s.ids.some(id => ids.includes(id))) $("jump").options[i].textContent = jumpText(s, i); }); }

// ---- moving
const narrow = matchMedia("(max-width: 60rem)");
function heading() {
  $("who").focus({preventScroll: true});
  narrow.matches ? $("who").scrollIntoView({block: "start"}) : $("who").closest("section").scrollTo(0, 0);
}
function ahead() {
  const n = D.stacks.length, from = open(stack()).length && !skipped.has(at) ? 0 : 1, around = Array.from({length: n + 1 - from}, (_, d) => (at + from + d) % n);
  if (L.left.length) return [...L.left.map(id => D.stacks.findIndex(s => s.ids.includes(id))), ...around];
  if (!L.weak || !L.order.size) return around;
  const rank = i => Math.min(...open(D.stacks[i]).map(id => L.order.get(id) ?? Infinity));
  return [...around.splice(0, 1 - from), ...around.map(i => [rank(i), i]).sort((a, b) => a[0] === b[0] ? 0 : a[0] - b[0]).map(x => x[1])];
}
function next() {
  let skippedOne = -1;
  for (const i of ahead()) {
    if (!open(D.stacks[i]).length) continue;
    if (!skipped.has(i)) return land(i);
    if (skippedOne < 0) skippedOne = i;
  }
  if (skippedOne >= 0) { skipped.clear(); return land(skippedOne, "Only skipped answers are left. "); }
  land(at, "Everything is marked. ");
}
function land(i, words = "") {
  show(i);
  heading();
  say(`${words}${$("who").textContent}, ${i + 1} of ${D.stacks.length}. ${marked()} of ${total} marked.`);
}
function skip() { skipped.add(at); jumpRefresh(stack().ids); next(); }
function accept() {
  const ids = [member], held = [...chosen], comment = $("comment").value.trim(), rereading = marked() === total;
  if (!ids.every(id => same(A[id].items, held) && A[id].comment === comment && !A[id].mine)) send(ids, held, comment);
  rereading && at + 1 < D.stacks.length ? land(at + 1) : next();
}
function apply() {
  const s = stack();
  if ($("apply").hidden) return say("This answer stands alone.");
  if (!shown) {
    shown = true; applyButton(); $("stack").hidden = false;
    $("stack-title").textContent = `All ${s.ids.length} answers`;
    $("members").replaceChildren(...s.ids.map(id => {
      const li = make("li"), a = A[id];
      li.append(make("b", a.student), make("span", a.items === null ? "" : ` ${number(pointsOf(a))} points by ${a.grader}`), make("pre", a.text || "(nothing written)", {dir: "auto"}));
      if (a.differs) li.append(make("span", `differs from the first: ${a.differs}`, {class: "differs"}));
      return li;
    }));
    $("stack-title").focus(); $("stack-title").scrollIntoView({block: "nearest"});
    return say(`All ${s.ids.length} answers are shown. Press a again to mark all of them with ${number(worth([...chosen]))} points.`);
  }
  const other = s.ids.filter(id => A[id].items !== null && A[id].grader !== D.grader);
  send(s.ids.filter(id => !other.includes(id)), [...chosen], $("comment").value.trim());
  if (other.length) say(`${other.length} answers that somebody else marked stay as they are.`);
  next();
}
const giving = () => items().filter(i => i.points > 0).map(i => i.id);
function fullMarks() {
  const wanted = giving(), all = wanted.every(id => chosen.has(id));
  for (const id of wanted) all ? chosen.delete(id) : chosen.add(id);
  drawItems(); drawPoints();
}
function again() {
  if (!last) return say("Nothing was marked yet.");
  chosen = new Set(last.held); $("comment").value = last.comment; drawItems(); drawPoints();
}

// ---- sending
async function post(path, body) {
  for (;;) {
    try {
      const reply = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body())});
      return [reply.status, await reply.json()];
    } catch {
      alertUser(`Not saved: the grading program does not answer. ${waiting} marks wait here; keep this page open, start the program again or wait.`, null);
      await new Promise(done => setTimeout(done, 1500));
    }
  }
}
function later(job) { waiting++; chain = chain.then(job).catch(e => alertUser(`Something went wrong on this page: ${e}. Reload it; what is saved is safe.`, null)).finally(() => { waiting--; progress(); }); progress(); }
function send(ids, held, comment) {
  if (!ids.length) return;
  const before = Object.fromEntries(ids.map(id => [id, {...A[id]}]));
  for (const id of ids) { Object.assign(A[id], {items: held, comment, grader: D.grader, source: "human", direct: null, pending: (A[id].pending ?? 0) + 1}); delete A[id].mine; }
  L.left = L.left.filter(id => !ids.includes(id));
  last = {held, comment};
  if (comment) { const old = D.comments.indexOf(comment); if (old >= 0) D.comments.splice(old, 1); D.comments.unshift(comment); drawBank(); }
  jumpRefresh(ids);
  later(async () => {
    const [status, reply] = await post("/api/mark", () => ({seen: Object.fromEntries(ids.map(id => [id, A[id].version])), items: held, comment, round: D.round}));
    for (const id of ids) A[id].pending--;
    if (status === 200) { for (const id of ids) A[id].version = reply.marks[id]; hideAlert(true); if (D.lanes) toldBefore(ids[0], reply.before); return; }
    for (const id of ids) Object.assign(A[id], {...before[id], pending: A[id].pending});
    if (status === 409) for (const m of reply.marks) Object.assign(A[m.answer], m.state, {mine: {items: held, comment}});
    jumpRefresh(ids);
    const who = status === 409 ? reply.marks.map(m => `${A[m.answer].student} was marked by ${m.state.grader} meanwhile`).join("; ") : reply.error;
    alertUser(`${who}. Your mark was not stored.`, status === 409 ? reply.marks[0].answer : ids[0]);
    if (ids.includes(member)) show(at, member);
  });
}
function undo() {
  later(async () => {
    const [status, reply] = await post("/api/undo", () => ({round: D.round, question: D.question}));
    if (status !== 200) return alertUser(reply.error, reply.marks?.[0]?.answer ?? null);
    if (!reply.answers.length) return say("Nothing left to undo on this question.");
    for (const m of reply.answers) { Object.assign(A[m.answer], m.state); delete A[m.answer].mine; }
    jumpRefresh(reply.answers.map(m => m.answer));
    land(D.stacks.findIndex(s => s.ids.includes(reply.answers[0].answer)), reply.asked ? "Taken back; the regrade request is open. " : "Taken back. ");
  });
}
async function poll() {
  try {
    const reply = await fetch(`/api/news/${D.question}?since=${since}&round=${D.round}`);
    if (!reply.ok) return;
    const news = await reply.json();
    since = news.since;
    for (const m of news.marks) if (A[m.answer] && m.state.version > A[m.answer].version) {
      if (A[m.answer].pending || m.answer === member) deferred[m.answer] = m.state; else Object.assign(A[m.answer], m.state);
      if (m.answer === member && !A[member].pending) theirs({...A[member], ...m.state});
    }
    if (news.marks.length) { jumpRefresh(news.marks.map(m => m.answer)); progress(); }
    if (JSON.stringify(news.items) !== JSON.stringify(D.items)) { D.items = news.items; rubricChanged(); }
  } catch { /* the program is not there: sending says so, polling tries again */ }
}
function alertUser(text, answer) { conflicted = answer; $("alert-text").textContent = text; $("alert-go").hidden = answer === null; $("alert").hidden = false; }
function hideAlert(onlyOffline) { if (!onlyOffline || (conflicted === null && $("alert-text").textContent.startsWith("Not saved"))) $("alert").hidden = true; }

// ---- the rubric may change
function rubricChanged() {
  D.stamp = (D.stamp ?? 0) + 1;
  const gone = new Set(D.items.filter(i => i.retired).map(i => i.id));
  chosen = new Set([...chosen].filter(id => !gone.has(id)));
  drawItems(); drawPoints(); progress(); buildEditor(); buildJump(); $("jump").selectedIndex = at;
}
function buildEditor() {
  $("edit-items").replaceChildren(...D.items.map(i => {
    const form = make("form", undefined, {class: "edit"}), field = (name, value, type) => {
      const l = make("label", {text: "Item", guideline: "For graders", points: "Points"}[name], {class: type === "number" ? "" : "long"}), f = make("input", undefined, {name, type, maxlength: 1000, ...(type === "number" ? {step: "any", required: ""} : {})});
      f.value = value; l.append(" ", f); return l;
    };
    const out = make("button", i.retired ? "Use again" : "Retire", {type: "button"});
    out.addEventListener("click", () => change({item: i.id, retired: i.retired ? 0 : 1}));
    form.append(field("text", i.text, "text"), field("guideline", i.guideline, "text"), field("points", i.points, "number"), make("button", "Save"), out);
    form.addEventListener("submit", e => { e.preventDefault(); change({item: i.id, text: form.elements.text.value, guideline: form.elements.guideline.value, points: +form.elements.points.value}); });
    return form;
  }));
}
function change(body) {
  later(async () => {
    const [status, reply] = await post("/api/item", () => ({question: D.question, ...body}));
    if (status !== 200) return alertUser(reply.error, null);
    D.items = reply.items; rubricChanged(); say("The rubric is changed; all marks follow.");
  });
}

// ---- suggestions, only with --suggest: asked for when the page is there, never waited for; lane and interval come on a key or after the mark, so that the mark is the grader's own
function drawText(a) {
  const box = $("text"), places = D.lanes && L.places && !L.silent ? (L.look[member] ?? []).filter(([, , end]) => end <= a.text.length) : [];
  if (!places.length) { box.textContent = a.text || "(nothing written)"; return; }
  const cuts = [...new Set([0, a.text.length, ...places.flatMap(p => p.slice(1))])].sort((x, y) => x - y);
  box.replaceChildren(...cuts.slice(1).map((end, i) => {
    const here = places.filter(p => p[1] <= cuts[i] && end <= p[2]).map(p => p[0] + 1), part = a.text.slice(cuts[i], end), last = places.filter(p => p[2] === end).map(p => p[0] + 1);
    return here.length ? make("mark", part, last.length ? {"data-points": last.join(" ")} : {}) : document.createTextNode(part);
  }));
}
function hints() {
  const flags = L.silent || !A[member].text.trim() ? [] : L.flags[member] ?? [], look = L.silent || !L.places ? null : L.look[member], found = new Set((look ?? []).map(p => p[0] + 1));
  $("lane").hidden = true; $("show-lane").disabled = L.silent;
  $("flags").hidden = !flags.length;
  $("flags").replaceChildren(make("p", "No suggestion for this answer, read it with care:"), ...flags.map(f => make("p", `⚑ ${f}`)));
  const none = [...Array(L.points ?? 0).keys()].map(n => n + 1).filter(n => !found.has(n));
  $("look").hidden = !look || !A[member].text;
  $("look").textContent = none.length ? `No place found for point ${none.join(", ")}: the words may differ, read for it.` : "";
  $("reread").hidden = !L.silent; $("key-points").hidden = L.silent || !L.points;
  if (!L.silent) return;
  const link = make("a", "See what it says", {href: `/lanes/${D.question}`});
  $("reread").replaceChildren(make("p", !L.mine ? "Somebody is in a blind re-read of this question: no suggestions until it is decided." : L.left.length ? `Blind re-read: ${L.left.length} still to mark. No suggestions are shown until it is decided.` : "Every answer of the blind re-read is marked. "));
  if (L.mine && !L.left.length) $("reread").firstChild.append(link);
}
const laneWords = (s, name = "") => [make("span", s.shape, {class: `shape ${s.lane}`, "aria-hidden": "true"}), ` ${name}${s.words}${s.between ? `; 80 % interval ${s.between}` : ""}${s.why.length ? ` (${s.why.join("; ")})` : ""}`];
function toldBefore(id, said) {
  clearTimeout(L.soon); L.soon = setTimeout(lanes, 3000);
  $("last").hidden = !said;
  if (said) $("last").replaceChildren(...laneWords(said, `${A[id].student}: you gave ${number(pointsOf(A[id]))}. Suggested before: `));
}
async function lane() {
  const id = member, [status, said] = await post("/api/look", () => ({answer: id}));
  if (id !== member) return;
  $("lane").hidden = false;
  $("lane").replaceChildren(...(status === 200 ? laneWords(said) : [said.error]));
}
async function lanes() {
  try {
    const reply = await fetch(`/api/lanes/${D.question}${L.texts ? "" : "?texts=1"}`);
    if (!reply.ok) return;
    const news = await reply.json(), silent = news.reread !== undefined;
    $("lanes-status").textContent = news.status;
    $("lanes-counts").replaceChildren(...Object.entries(news.counts ?? {}).map(([lane, n]) => { const e = make("span"); e.append(make("span", {green: "●", amber: "◆", red: "■", none: "○"}[lane], {class: `shape ${lane}`, "aria-hidden": "true"}), ` ${n} ${lane === "none" ? "no lane" : lane} `); return e; }));
    if (news.order) L.order = new Map(news.order.map((id, n) => [id, n]));
    if (news.points) { Object.assign(L, {flags: news.flags, look: news.look, points: news.points.length, texts: 1}); $("points-list").replaceChildren(...news.points.map(p => make("li", p))); }
    const mine = news.reread === true, left = mine ? news.left.filter(id => A[id] && !A[id].pending) : [], changed = silent !== L.silent || mine !== L.mine || left.length !== L.left.length || news.points;
    Object.assign(L, {silent, mine, left});
    if (changed) { drawText(A[member]); const open = !$("lane").hidden && !silent; hints(); $("lane").hidden = !open; }
    if (!news.order && !silent) setTimeout(lanes, 500);
  } catch { /* as in poll */ }
}
if (D.lanes) {
  setInterval(lanes, 4000); setTimeout(lanes, 0);
  $("order").addEventListener("change", e => { L.weak = e.target.value === "weak"; if (L.weak) next(); });
  $("places").addEventListener("change", e => { L.places = e.target.checked; drawText(A[member]); hints(); });
  $("show-lane").addEventListener("click", () => { lane(); $("who").focus({preventScroll: true}); });
}

// ---- events
const actions = {...(D.lanes ? {h: () => { if (!L.silent) lane(); }} : {}), F: () => { chosen = new Set(giving()); accept(); }, R: () => { if (last) { again(); accept(); } else again(); }, s: skip, a: apply, u: undo, f: fullMarks, r: again, c: () => $("comment").focus(), "?": () => { $("help").open = !$("help").open; $("help").scrollIntoView({block: "nearest"}); },
  ArrowRight: () => land((at + 1) % D.stacks.length), ArrowLeft: () => land((at + D.stacks.length - 1) % D.stacks.length)};
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  const t = e.target, typing = t.matches("textarea, input:not([type=checkbox]), select");
  if (e.key === "Escape" && typing) { t.blur(); $("who").focus(); return; }
  if (t === $("comment") && e.key === "Enter" && !e.shiftKey) { e.preventDefault(); return accept(); }
  if (typing || !$("keys").checked) return;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(e.code);
  if (digit) { e.preventDefault(); const n = digit[1] - 1; return e.shiftKey && e.code[0] === "D" ? reuse(n) : items()[n] && toggle(items()[n].id); }
  if (e.key === "Enter") { if (t.matches("button, summary, a")) return; e.preventDefault(); if (!e.repeat) accept(); return; }
  const action = actions[e.key] ?? actions[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (!action || (t === $("text") && e.key.startsWith("Arrow"))) return;
  e.preventDefault();
  if (!e.repeat || e.key.startsWith("Arrow")) action();
});
$("marks").addEventListener("submit", e => { e.preventDefault(); accept(); });
for (const [id, action] of [["skip", skip], ["apply", apply], ["undo", undo], ["full-marks", fullMarks], ["again", again]]) $(id).addEventListener("click", () => { action(); if (id === "full-marks" || id === "again") $("who").focus({preventScroll: true}); });
$("jump").addEventListener("change", () => land($("jump").selectedIndex));
$("alert-close").addEventListener("click", () => { $("alert").hidden = true; $("who").focus(); });
$("alert-go").addEventListener("click", () => { $("alert").hidden = true; show(D.stacks.findIndex(s => s.ids.includes(conflicted)), conflicted); $("who").focus(); });
$("add-item").addEventListener("submit", e => { e.preventDefault(); const f = e.target.elements; change({text: f.text.value, points: +f.points.value}); e.target.reset(); });
$("show-history").addEventListener("click", async () => {
  const rows = await (await fetch(`/api/history/${member}`)).json(), table = make("table");
  table.append(make("caption", rows.length ? "Every mark of this answer, oldest first" : "No marks yet"));
  for (const r of rows) { const tr = make("tr"); for (const cell of [r.at.slice(0, 16).replace("T", " "), r.grader, r.undoes ? "taken back" : r.items === null ? "not marked" : r.items.join(", ") || "no item", r.source === "suggested-accepted" ? "accepted in bulk" : r.comment]) tr.append(make("td", cell)); table.append(tr); }
  $("history").replaceChildren(table); $("history").hidden = false;
});
$("close-regrade")?.addEventListener("click", e => later(async () => {
  const [status, reply] = await post("/api/regrade", () => ({number: +e.target.dataset.number, outcome: $("outcome").value}));
  if (status !== 200) return alertUser(reply.error, null);
  e.target.disabled = true; say("The request is closed.");
}));
addEventListener("beforeunload", e => { if (waiting) e.preventDefault(); });

buildJump(); drawBank(); buildEditor();
if (D.stacks.length) {
  const wanted = D.start === null ? -1 : D.stacks.findIndex(s => s.ids.includes(D.start)), first = D.stacks.findIndex(s => L.left.length ? s.ids.includes(L.left[0]) : open(s).length);
  wanted >= 0 ? show(wanted, D.start) : show(Math.max(0, first));
  if (narrow.matches) for (const id of ["prompt", "model", "key-points", "suggestions"]) if ($(id)) $(id).open = false;
  $("close-regrade") ? $("who").focus({preventScroll: true}) : heading();
} else { $("who").textContent = "No answers yet"; $("text").textContent = ""; }
if (D.round === "grading") setInterval(poll, 4000);
document.documentElement.dataset.ready = "1";
})();
