"""Muon beside AdamW on the course's own pre-training text, equal steps, three seeds, in one run: `python benchmarks/optimizers.py`.

What counts is the loss on text that neither has read, after equal steps (about ten minutes on two cores with the small recipe; the loss does not depend on the machine's speed).
Both sides have the same warm-up and decay; each is given three peak learning rates and may keep its best, chosen on a seed that is not reported."""
import argparse
from dataclasses import replace
from pathlib import Path

import torch

from alpaca_course.microworld import data_folder
from alpaca_course.pretraining import RECIPES, batches, new_model, new_optimizers, shipped_tokenizer, train_step
from alpaca_course.statistics import mean_interval


def adamw(model): return [torch.optim.AdamW(model.parameters(), lr=0., betas=(.9, .95), weight_decay=.1, fused=True)]


@torch.no_grad()
def unread_loss(model, rows):
    ids = torch.tensor(rows)
    return torch.nn.functional.cross_entropy(model(input_ids=ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten()).item()


def final_loss(make, peak, recipe, tokenizer, steps):
    model = new_model(recipe)
    optimizers, warm = make(model), steps // 5
    for step, batch in enumerate(batches(tokenizer, recipe, 0, steps)): train_step(model, optimizers, batch, peak * min(1, (step + 1) / warm, (steps - step) / (steps - warm)))
    unread = [row for batch in batches(tokenizer, replace(recipe, seed=10_000), 0, 4) for row in batch]
    return unread_loss(model.eval(), unread)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300); parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    tokenizer, recipe = shipped_tokenizer(data_folder() / "base_few"), RECIPES["small"]
    print(f"{given.steps} steps of {recipe.rows} x {recipe.length} tokens, {sum(p.numel() for p in new_model(recipe).parameters()) / 1e6:.2f}M parameters")
    losses = {}
    for name, make in (("AdamW", adamw), ("Muon", new_optimizers)):
        tried = {peak: final_loss(make, peak, replace(recipe, seed=99), tokenizer, given.steps) for peak in (1.5e-3, 3e-3, 6e-3)}
        best = min(tried, key=tried.get)
        print(f"{name}: peak rates on seed 99", {peak: round(loss, 3) for peak, loss in tried.items()}, "-> chosen", best, flush=True)
        losses[name] = [final_loss(make, best, replace(recipe, seed=seed), tokenizer, given.steps) for seed in range(1, given.seeds + 1)]
        print(f"{name}: nats per token on unread text, seeds 1 to {given.seeds}: {[round(l, 3) for l in losses[name]]}", flush=True)
    gain = mean_interval([a - m for a, m in zip(losses["AdamW"], losses["Muon"])])
    print(f"AdamW minus Muon, seed by seed: {gain.estimate:.3f} ({gain.low:.3f} to {gain.high:.3f}) nats per token, n = {given.seeds} seeds")


if __name__ == "__main__": main()
