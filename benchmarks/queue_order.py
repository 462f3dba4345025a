"""Is there a better order of the queue before any mark? `python benchmarks/queue_order.py first.jsonl second.jsonl [two_graders.jsonl]`, files as `alpaca-course suggest-bench` reads them.

36 rivals of the shipped order (pairwise logistic ranking and ridge, on raw, centred or ranked features, with and without likeness to classmates, three strengths each) and the shipped recipe are fitted
on one file; the rival with the best order under five folds by question there is fitted on all of that file and tested once on the other, beside the shipped recipe fitted on the same questions. Both ways.
The figure is the share of answers below half that the first 30 % of each question's queue hold, with 95 % intervals from resampling whole questions. Prints one JSON object; about two minutes."""
import argparse, json
import numpy as np
from scipy.optimize import minimize
from alpaca_course.grading.bench import resamples, spread_of
from alpaca_course.grading.benchfile import fit_prior, read_bench
from alpaca_course.grading.suggest import HALF, design

KINDS = ["both", "centred", "ranked", "both, class", "centred, class", "ranked, class"]
RIVALS = [(fit, kind, lam) for kind in KINDS for fit, lams in (("pairs", (.001, .01, .1)), ("ridge", (.01, .1, 1.))) for lam in lams]
SHIPPED = ("shipped", "", 0)


def classmates(prepared):
    "[answer, 4] mean likeness to all classmates and to the five nearest, by words and by letters."
    n = len(prepared.answers)
    likes = [np.asarray(likes) for likes in prepared.alike(slice(None), range(n))]
    near = lambda s: np.sort(s - 2 * np.eye(n), 1)[:, -min(5, n - 1):].mean(1) if n > 1 else np.zeros(n)
    return np.column_stack([f(s) for f in (lambda s: (s.sum(1) - np.diag(s)) / max(1, n - 1), near) for s in likes])


def inputs(question, kind):
    "[answer, column] what a rival sees of a question."
    found = question.prepared.features
    if "class" in kind: found = np.hstack([found, classmates(question.prepared)])
    if "ranked" in kind: return found.argsort(0, kind="stable").argsort(0) / max(1, len(found) - 1) - .5
    return found - found.mean(0) if "centred" in kind else np.hstack([found, found - found.mean(0)])


def fit_pairs(tables, marks, lam):
    "Weights of a logistic model of which of two answers to a question lies below half."
    spread = np.concatenate(tables).std(0) + 1e-9
    rows = [((x[m >= HALF][None] - x[m < HALF][:, None]) / spread).reshape(-1, x.shape[1]) for x, m in zip(tables, marks)]
    weight = np.concatenate([np.full(len(r), 1 / max(1, (m >= HALF).sum())) for r, m in zip(rows, marks)])
    rows, weight = np.concatenate(rows), weight / weight.sum()
    def loss(w):
        e = np.exp(-np.clip(rows @ w, -30, 30))
        return (weight * np.log1p(e)).sum() + lam * w @ w / 2, -(weight * e / (1 + e)) @ rows + lam * w
    return minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x / spread


def fit_ridge(tables, marks, lam):
    "Weights of a ridge regression of the mark's distance from the mean of its question."
    whole, y = np.concatenate(tables), np.concatenate([m - m.mean() for m in marks])
    spread = whole.std(0) + 1e-9
    z = (whole - whole.mean(0)) / spread
    return np.linalg.solve(z.T @ z / len(z) + lam * np.eye(z.shape[1]), z.T @ y / len(z)) / spread


def scores(rival, train, test):
    "One array a tested question: smaller is probably weaker."
    fit, kind, lam = rival
    if rival == SHIPPED:
        prior = fit_prior("rival", {"set": train})
        return [design(q.prepared, prior) @ prior.weights for q in test]
    weights = (fit_pairs if fit == "pairs" else fit_ridge)([inputs(q, kind) for q in train], [q.marks for q in train], lam)
    return [inputs(q, kind) @ weights for q in test]


def held(questions, orders, strange, share=.3):
    "[question, (answers below half in the first `share` of the queue, all of them)]; ties count by the part of them that is read."
    out = []
    for q, order, odd in zip(questions, orders, strange):
        low, order, left, got = q.marks < HALF, np.asarray(order) - 5. * odd, share * len(q.marks), 0.
        for value in np.unique(order):
            tied = order == value
            got += low[tied].sum() * min(1., left / tied.sum()); left -= tied.sum()
            if left <= 0: break
        out.append((got, low.sum()))
    return np.array(out, float)


def auc(questions, orders, strange):
    "Share of pairs within a question, one answer below half and one not, that stand in the right order."
    right = pairs = 0
    for q, order, odd in zip(questions, orders, strange):
        order = np.asarray(order) - 5. * odd
        low, high = order[q.marks < HALF], order[q.marks >= HALF]
        right += (high[None] > low[:, None]).sum() + .5 * (high[None] == low[:, None]).sum()
        pairs += len(low) * len(high)
    return float(right / pairs)


def interval(counts):
    "[estimate, low, high] of the share held."
    weights = resamples(len(counts))
    return spread_of(weights @ counts[:, 0] / (weights @ counts[:, 1]))


def folds_of(bench, rival, rng_seed=7):
    "The order of every question of a file by a rival that was fitted on other questions of it."
    order, found = np.random.default_rng(rng_seed).permutation(len(bench.questions)), {}
    for i in range(5):
        test = np.sort(order[i::5])
        rest = [bench.questions[j] for j in np.setdiff1d(order, test)]
        found |= dict(zip(test.tolist(), scores(rival, rest, [bench.questions[j] for j in test])))
    return [found[j] for j in range(len(bench.questions))]


def one_way(chosen_on, tested_on):
    "Choose on one file, test once on the other."
    inside = {rival: folds_of(chosen_on, rival) for rival in [SHIPPED, *RIVALS]}
    quality = {rival: auc(chosen_on.questions, found, chosen_on.strange) for rival, found in inside.items()}
    best = max(RIVALS, key=quality.get)
    counts = {rival: held(tested_on.questions, scores(rival, chosen_on.questions, tested_on.questions), tested_on.strange) for rival in (SHIPPED, best)}
    weights = resamples(len(tested_on.questions))
    gain = spread_of(weights @ (counts[best][:, 0] - counts[SHIPPED][:, 0]) / (weights @ counts[best][:, 1]))
    inner = {rival: interval(held(chosen_on.questions, inside[rival], chosen_on.strange)) for rival in (SHIPPED, best)}
    return {"rival": f"{best[0]}, {best[1]}, strength {best[2]:g}", "where it was chosen": {"shipped recipe": inner[SHIPPED], "rival": inner[best]},
            "on the other file": {"shipped recipe": interval(counts[SHIPPED]), "rival": interval(counts[best]), "rival less shipped": gain}}


def limits(bench):
    "What a perfect order reaches, as some questions have more than 30 % of their answers below half, and a second grader's marks as the order."
    found = {"perfect order": interval(held(bench.questions, [q.marks for q in bench.questions], [0] * len(bench.questions))), "below half": int(sum((q.marks < HALF).sum() for q in bench.questions))}
    if all(np.isfinite(q.second).all() for q in bench.questions): found["order of a second person's marks"] = interval(held(bench.questions, [q.second for q in bench.questions], [0] * len(bench.questions)))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", help="two files, and perhaps a third with the marks of two graders")
    files = [read_bench(f) for f in parser.parse_args().files]
    print(json.dumps({"rivals": len(RIVALS), "chosen on the first, tested on the second": one_way(files[0], files[1]), "chosen on the second, tested on the first": one_way(files[1], files[0]),
                      "limits": [limits(f) for f in files]}, indent=1))
