// The page of points of code: one answer, one form; every decision goes to the server, which names the next answer.
"use strict";
(() => {
const $ = id => document.getElementById(id), form = $("decide"), d = form?.dataset;
let busy = false, sure = false;
const say = text => { $("said").textContent = text; };
const warn = text => { $("alert-text").textContent = text; $("alert").hidden = false; };
const go = (answer, words = "") => { if (words) sessionStorage.setItem("said", words); location.assign(answer ? `/code?answer=${answer}` : "/code"); };

async function send(path, body, then) {
  if (busy) return;
  busy = true; say("saving …");
  try {
    const reply = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)}), found = await reply.json();
    if (reply.ok) return then(found);
    if (reply.status === 409 && found.seen !== undefined) {  // somebody was faster: show theirs; the next Enter is about what stands there now
      d.seen = found.seen; $("now").replaceChildren(Object.assign(document.createElement("b"), {textContent: "Now:"}), ` ${found.now}.`);
      $("leave").disabled = false; sure = true; $("who").focus({preventScroll: true});
      warn(`${found.error} Your entry is still in the form: Enter replaces theirs, l leaves theirs.`);
    } else warn(`Not stored. ${found.error}`);
    say("");
  } catch { say(""); warn("Not stored: the grading program does not answer. Keep this page open, start the program again, and press the key once more."); }
  busy = false;
}
const decide = body => send("/api/code", {answer: +d.answer, seen: +d.seen, reason: $("reason").value, ...body}, found => go(found.next, `Stored: ${found.said}. u takes it back.`));
function give() {
  const points = $("points").value.trim() === "" ? NaN : $("points").valueAsNumber, most = +d.most;
  if (!(points >= 0 && points <= most)) { $("points").focus(); return say(`Points from 0 to ${most}, please${d.next === undefined ? "" : ", or l to leave it as it is"}.`); }
  const other = d.asked === "1" ? "A regrade request needs a sentence as its answer." : d.auto === "" ? "The tests gave no points: say why these." : Math.abs(points - d.auto) > .005 ? `The tests gave ${Math.round(100 * d.auto) / 100}: say why you give other points.` : "";
  if (other && !$("reason").value.trim()) { $("reason").focus(); return say(other); }
  decide({do: "give", points});
}
function leave() {
  if ($("leave").disabled) return say("There are no points to leave as they are: give some.");
  if (d.asked === "1" && !$("reason").value.trim()) { $("reason").focus(); return say("A regrade request needs a sentence as its answer."); }
  if (d.asked !== "1" && !sure && ($("points").value || $("reason").value)) { sure = true; return say("What you typed would not be stored. l again leaves it as it is; Enter gives."); }
  decide({do: "leave", ...(d.asked === "1" ? {} : {reason: ""})});
}
const undo = () => send("/api/code/undo", {}, found => { if (found.next) return go(found.next, found.said); busy = false; say(found.said); });
function reuse(n) { const b = $("bank")?.children[n]; if (b) { $("reason").value = b.title; say(`Reason: ${b.title}`); } }

const actions = {l: () => form && leave(), u: undo, s: () => form && go(d.next), c: () => $("reason")?.focus(), "?": () => { $("help").open = !$("help").open; $("help").scrollIntoView({block: "nearest"}); }};
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  const t = e.target, typing = t.matches("input:not([type=checkbox])");
  if (e.key === "Escape" && typing) { t.blur(); $("who").focus(); return; }
  if (typing && e.key === "Enter") { e.preventDefault(); if (!e.repeat) give(); return; }
  if (typing || !$("keys").checked) return;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(e.code);
  if (digit && e.shiftKey && e.code[0] === "D") { e.preventDefault(); return reuse(digit[1] - 1); }
  if (form && !e.shiftKey && (digit || e.key === ".")) { $("points").focus(); return; }  // the digit itself lands in the field
  if (e.key === "Enter") { if (t.matches("button, summary, a") || !form) return; e.preventDefault(); if (!e.repeat) give(); return; }
  const action = actions[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (!action || e.repeat) return;
  e.preventDefault(); action();
});
form?.addEventListener("submit", e => { e.preventDefault(); give(); });
$("leave")?.addEventListener("click", leave);
$("undo").addEventListener("click", undo);
$("alert-close").addEventListener("click", () => { $("alert").hidden = true; $("who").focus(); });
for (const [n, b] of [...($("bank")?.children ?? [])].entries()) b.addEventListener("click", () => { reuse(n); $("reason").focus(); });

$("rest")?.addEventListener("toggle", async () => {
  if ($("others").childElementCount) return;
  const rows = await (await fetch("/api/code/rest")).json(), make = (tag, text, more = {}) => Object.assign(document.createElement(tag), {textContent: text, ...more});
  $("others").replaceChildren(...rows.flatMap(([answer, student, title, points], n) => {
    const li = make("li", ""), here = String(answer) === d?.answer;
    li.append(make("a", student, {href: `/code?answer=${answer}`, ...(here ? {ariaCurrent: "true"} : {})}), " ", make("span", points, {className: "soft"}));
    return n && rows[n - 1][2] === title ? [li] : [make("li", title, {className: "soft"}), li];
  }));
});

addEventListener("pageshow", () => { busy = false; });  // back from the next answer
const said = sessionStorage.getItem("said");
sessionStorage.removeItem("said");
if (said) say(said);
$("who").focus({preventScroll: true});
document.documentElement.dataset.ready = "1";
})();
