"use strict";
for (const button of document.querySelectorAll("[data-settle]")) button.addEventListener("click", async () => {
  const reply = await fetch("/api/settle", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({question: button.dataset.settle})});
  const body = await reply.json();
  document.getElementById("status").textContent = reply.ok ? `${body.settled} marks taken over.` : body.error;
  if (reply.ok) button.disabled = true;
});
