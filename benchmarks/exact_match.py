"""Exact match three ways in one run: one forced pass, batched greedy decoding with a cache, and `generate` one problem at a time: `python benchmarks/exact_match.py`.

The model is trained first (scratchpad sums of 1 to 3 digits, half a minute), so that some answers are right and some wrong. All three must agree on every problem. Processor seconds, median of three runs;
`generate` is timed on the first problems only and scaled to all, since it takes minutes. The memory settings are those of `make test`; without them a forced pass takes about a third longer."""
import argparse, os, statistics, sys, time

KEEP = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in KEEP.items()): os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP)
import torch

from alpaca_course.addition import write_scratchpad
from alpaca_course.scratchpad import END, Plan, as_batch, decode, drawing, exact, forced_outputs, greedy_outputs, test_set, train_solver


def one_by_one(model, examples):
    "What `generate` writes, one problem at a time."
    outputs = []
    for e in examples:
        ids, _, mask = as_batch([e], prompts=True)
        with torch.inference_mode(): row = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=len(e.target) + 8, do_sample=False)[0, ids.shape[1]:]
        text = decode(row.tolist())
        outputs.append(text.partition(END)[0] + (END if END in text else ""))
    return outputs


def seconds(f, times=3):
    took = []
    for _ in range(times):
        begun = time.process_time(); result = f(); took.append(time.process_time() - begun)
    return statistics.median(took), result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--digits", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--generated", type=int, default=20, help="problems a length for `generate`")
    parser.add_argument("--steps", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    solver = train_solver(drawing(write_scratchpad, (1, 2, 3, 3)), Plan(steps=args.steps))
    print(f"trained {args.steps} steps in {solver.seconds:.0f} s; torch {torch.__version__}, 1 thread")
    forced_outputs(solver.model, test_set(write_scratchpad, [1], 4)), greedy_outputs(solver.model, test_set(write_scratchpad, [1], 4))  # warm up
    for digits in args.digits:
        examples = test_set(write_scratchpad, [digits], args.problems)
        one, forced = seconds(lambda: forced_outputs(solver.model, examples))
        two, written = seconds(lambda: greedy_outputs(solver.model, examples))
        three, single = seconds(lambda: one_by_one(solver.model, examples[:args.generated]), 1)
        three *= args.problems / args.generated
        verdicts = [exact(outputs, examples[:len(outputs)]) for outputs in (forced, written, single)]
        differ = sum(a != b for a, b in zip(verdicts[0], verdicts[1])) + sum(a != b for a, b in zip(verdicts[1], verdicts[2]))
        print(f"{digits} digits, {args.problems} problems, {sum(verdicts[0])} exactly right, verdicts that differ: {differ}")
        print(f"   forced pass {one:6.2f} s   batched greedy {two:6.2f} s   generate one by one {three:6.1f} s   cheaper than generate: forced {three / one:4.0f} x, batched {three / two:4.0f} x   (aims: 100 x, 30 x)")


if __name__ == "__main__": sys.exit(main())
