"use strict";
const kept = () => [...document.querySelectorAll("[data-answer]")].filter(e => !e.querySelector("input").checked);
addEventListener("change", () => { const many = document.getElementById("many"); if (many) many.textContent = kept().length; });
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", async () => {
  const {do: what, number, question} = button.dataset, body = {do: what};
  if (number) body.number = +number;
  if (question) body.question = question;
  if (what === "accept") body.seen = Object.fromEntries(kept().map(e => [e.dataset.answer, +e.dataset.version]));
  button.disabled = true;
  const reply = await fetch("/api/reread", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  const found = await reply.json();
  if (reply.ok) return what === "begin" ? location.assign(`/q/${question}`) : location.reload();
  document.getElementById("status").textContent = `Not done: ${found.error}.`;
  button.disabled = false;
});
document.documentElement.dataset.ready = "1";
