"""The long runs behind the scratchpad lessons, one JSON line each, resumable: `python benchmarks/scratchpads.py` (about an hour on one core).

Goes on where the file ends; a line whose settings are no longer those of its condition is dropped and made again. `--only NAME` picks conditions, `--list` shows what is missing."""
import argparse, json, os, sys, time

os.environ.setdefault("OMP_NUM_THREADS", "1")
from alpaca_course.addition import ADDITION, RUNS, find_runs, read_runs, run_condition
from alpaca_course.ledger import append_line
from alpaca_course.lengths import INTERVENTIONS, REPAIRS
from alpaca_course.microworld import data_folder
from alpaca_course.price import TRACES
from alpaca_course.records import replace_file

SEEDS = {"scratchpad": 10, "direct, same reading": 10, "direct, same work an answer": 3, "direct, same learning": 3, **{c.name: 3 for c in TRACES}}
CONDITIONS = ADDITION + REPAIRS + INTERVENTIONS + TRACES


def missing(runs):
    "(condition, seed) pairs without a run: three seeds of everything, then ten of addition, then the rest."
    there = {(c.name, r["seed"]) for c in CONDITIONS for r in find_runs(runs, c)}
    pairs = [(c, s) for c in CONDITIONS for s in range(SEEDS.get(c.name, 5)) if (c.name, s) not in there]
    return sorted(pairs, key=lambda pair: (pair[1] > 2, pair[0] not in ADDITION, pair[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=data_folder() / RUNS)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    runs = read_runs(args.out) if os.path.exists(args.out) else []
    known = [r for r in runs if any(find_runs([r], c) for c in CONDITIONS)]
    if len(known) < len(runs) and not args.list: replace_file(args.out, "".join(json.dumps(r) + "\n" for r in known))
    todo = [(c, s) for c, s in missing(known) if not args.only or c.name in args.only]
    print(f"{len(known)} runs there, {len(todo)} to do")
    for condition, seed in todo:
        if args.list: print(f"  {condition.name}, seed {seed}"); continue
        begun = time.time()
        run = run_condition(condition, seed)
        append_line(args.out, json.dumps(run))
        print(f"{time.strftime('%H:%M:%S')} {condition.name:45} seed {seed}  {run['bill']['seconds']:4.0f} s (wall {time.time() - begun:4.0f})  " + "  ".join(f"{k}: {a / b:.2f}" for k, (a, b) in run["right"].items()), flush=True)


if __name__ == "__main__": sys.exit(main())
