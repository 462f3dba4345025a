"""The long runs behind the lessons on polynomials and programs, one JSON line each, resumable: `python benchmarks/programs.py` (about half an hour on one quiet core).

Goes on where the files end; a line whose settings are no longer those of its condition is dropped and made again. `--only NAME` picks conditions, `--seeds N` says how many, `--list` shows
what is missing. Seed 0 of the condition 'trace' also writes the shipped model, measured as shipped (rounded to 16 bits) on the same test programs."""
import argparse, json, os, sys, time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch

from alpaca_course.addition import counts, find_runs, read_runs
from alpaca_course.ledger import append_line
from alpaca_course.microworld import data_folder
from alpaca_course.polynomials import POLYNOMIALS, RUNS as POLYNOMIAL_RUNS, run_polynomials
from alpaca_course.programs import LINES, MODEL, MORE, PROGRAMS, RUNS as PROGRAM_RUNS, TRACE, load_solver, run_programs, save_solver, solver_card
from alpaca_course.records import replace_file
from alpaca_course.scratchpad import answered, greedy_outputs, test_set
from alpaca_course.tracing import write_trace


def measured(folder, n=150):
    "Right answers by length of the model in `folder`, as {lines: [right, asked]}."
    tests = test_set(write_trace, LINES, n) + test_set(write_trace, MORE, n // 3)
    return counts(tests, answered(greedy_outputs(load_solver(folder)[0], tests), tests))


def ship(solver, folder):
    "Write model, recipe and card."
    save_solver(solver, folder, {})
    save_solver(solver, folder, dict(right=measured(folder)))
    (Path(folder) / "README.md").write_text(solver_card(load_solver(folder)[1]), encoding="utf-8")


def run(condition, seed, data):
    "One line of a file."
    if condition in POLYNOMIALS: return run_polynomials(condition, seed)
    line, solver = run_programs(condition, seed)
    if condition == TRACE and seed == 0: ship(solver, data / MODEL)
    return line


def missing(path, conditions, seeds):
    "(condition, seed) pairs that the file lacks; lines of no condition are dropped from it."
    lines = read_runs(path) if path.exists() else []
    known = [r for r in lines if any(find_runs([r], c) for c in conditions)]
    if len(known) < len(lines): replace_file(path, "".join(json.dumps(r) + "\n" for r in known))
    there = {(c.name, r["seed"]) for c in conditions for r in find_runs(known, c)}
    return [(path, c, s) for s in range(seeds) for c in conditions if (c.name, s) not in there]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=data_folder())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.out / PROGRAM_RUNS).parent.mkdir(parents=True, exist_ok=True)
    todo = [t for t in missing(args.out / POLYNOMIAL_RUNS, POLYNOMIALS, args.seeds) + missing(args.out / PROGRAM_RUNS, PROGRAMS, args.seeds) if not args.only or t[1].name in args.only]
    print(f"{len(todo)} runs to do", flush=True)
    for path, condition, seed in todo:
        if args.list: print(f"  {condition.name}, seed {seed}"); continue
        line = run(condition, seed, args.out)
        append_line(path, json.dumps(line))
        print(f"{time.strftime('%H:%M:%S')} {condition.name:30} seed {seed}  {line['bill']['seconds']:4.0f} s  " + "  ".join(f"{k}: {a / b:.2f}" for k, (a, b) in line["right"].items()), flush=True)


if __name__ == "__main__": sys.exit(main())
