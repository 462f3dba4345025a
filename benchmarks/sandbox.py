"""What a submission costs: with bubblewrap and without, warm and cold, with torch and not; one run, one machine.

    python benchmarks/sandbox.py [--submissions 40] [--torch 8] [--workers 2]

Seconds by the clock depend on what else runs; seconds of processor time hardly do. Both are printed, medians of `--repeats` batches with the smallest and largest.
"""
import argparse, resource, statistics, time
from alpaca_course.grading import sandbox as module

from alpaca_course.grading.sandbox import Limits, Sandbox, find_sandbox, run_job, run_jobs

CELLS = ["import json, math, re, random", "def mean(xs): return sum(xs) / len(xs)", "def words(text): return re.findall('[a-z]+', text.lower())",
         "def count(text):\n    found = {}\n    for w in words(text): found[w] = found.get(w, 0) + 1\n    return found", "print(count('a rose is a rose'))"]
PROBES = ["mean([5])", "mean([1, 2, 4])", "mean([0.5] * 1000)", "words('A rose, is')", "words('')", "count('a rose is a rose')", "count('')", "sorted(count('b a b'))"]
TORCH = ["import torch", "def scale(x): return (x - x.mean()) / x.std()", "x = scale(torch.arange(1000.))", "weights = torch.nn.Linear(1000, 10)", "loss = weights(x).pow(2).mean(); loss.backward()"]
TORCH_PROBES = ["x.shape", "scale(torch.tensor([1., 3.]))", "float(x.mean()) < 1e-5", "weights.weight.grad.shape", "round(float(x.std()), 4)", "scale(torch.tensor([1., 2., 3.])).tolist()", "str(x.dtype)", "x[:3]"]


WORKERS = []


class Counted(module.Worker):
    def __init__(self, *args): super().__init__(*args); WORKERS.append(self)


module.Worker = Counted


def make_job(torch):
    cells, probes = (TORCH, TORCH_PROBES) if torch else (CELLS, PROBES)
    return dict(cells=[dict(id=f"c{i}", source=s) for i, s in enumerate(cells)], probes=[dict(id=p, expr=p) for p in probes], preload=["torch"] if torch else [])


def processor():
    "Of this process, of those it waited for, and of the sandboxes, which bubblewrap does not wait for."
    return sum(w.used for w in WORKERS) + sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def cold(torch, n, sandbox, workers):
    "A sandbox, a Python and its imports for every submission."
    for _ in range(n): yield run_job(make_job(torch), Limits(seconds=120), sandbox)


def warm(torch, n, sandbox, workers):
    "One warm process for each worker, its start included."
    for _, outcome in run_jobs([(i, make_job(torch)) for i in range(n)], Limits(seconds=120), sandbox, workers=workers): yield outcome


def measure(how, torch, n, sandbox, workers):
    clock, used = time.perf_counter(), processor()
    alone = []
    for outcome in how(torch, n, sandbox, workers):
        assert outcome.ended == "done" and all(v["ok"] for v in outcome.values.values()), outcome
        alone.append(outcome.seconds)
    return (time.perf_counter() - clock) / n, (processor() - used) / n, statistics.median(alone)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=40, help="torch-free submissions a batch (%(default)s)")
    parser.add_argument("--torch", type=int, default=20, help="submissions with torch a batch (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="warm workers (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="batches of each kind (%(default)s)")
    args = parser.parse_args()
    inside, outside = find_sandbox(), Sandbox("none")
    print(f"sandbox: {inside.kind}; {len(CELLS)} cells and {len(PROBES)} probes a submission; {args.workers} warm workers")
    print(f"{'':44} {'n':>4}  {'clock, s a submission':>26}  {'processor, s a submission':>26}  {'clock, s, once warm':>26}")
    rows = [("cold, no sandbox", cold, False, outside), ("cold, in the sandbox", cold, False, inside), ("warm, in the sandbox", warm, False, inside),
            ("torch, cold, no sandbox", cold, True, outside), ("torch, cold, in the sandbox", cold, True, inside), ("torch, warm, in the sandbox", warm, True, inside)]
    for label, how, torch, sandbox in rows:
        n = (args.torch if torch else args.submissions) // (4 if how is cold else 1) or 1
        runs = [measure(how, torch, n, sandbox, args.workers) for _ in range(args.repeats)]
        print(f"{label:44} {n:4}", *(f"  {statistics.median(x):10.3f} ({min(x):.3f} to {max(x):.3f})" for x in zip(*runs)))
