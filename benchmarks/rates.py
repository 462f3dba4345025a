"""How learning rates and blends of `make course` were chosen: on the validation split, with a seed and a teacher's data that no report uses: `python benchmarks/rates.py`.

One tuning run a line (seed 100; the data come from the scripted teacher with another seed), scored on validation items; the test is not looked at. About a minute a run on one core, side by side.
First `--rates 3e-4 1e-3 2e-3 3e-3 4e-3 6e-3` with blend 1, then `--blends 0.4 0.55 0.7 0.85 1` at the best rate."""
import argparse, json, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ONE = """
import json, sys
from pathlib import Path
from alpaca_course.bases import load_base
from alpaca_course.evaluation import item_record
from alpaca_course.families import check, test_items
from alpaca_course.finetuning import load_tuned, tune
from alpaca_course.generation import generate_text
from alpaca_course.records import get_template, read_records
data, out, job = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
template, items = get_template('alpaca'), test_items(17, 0, split='validation')
tune(job['base'], read_records(data)[:job['records']], template, out, epochs=job['epochs'], learning_rate=job['rate'], batch_size=32, method=job['method'], rank=job['rank'], blend=job['blend'], seed=100)
said = generate_text(*load_tuned(out, template), [template.prompt(item_record(i)) for i in items], 72)
print(sum(check(i, text) for i, text in zip(items, said)), len(items))
"""


def data_for_choice(folder, records):
    from alpaca_course.microworld import data_folder
    from alpaca_course.records import read_seeds, write_records
    from alpaca_course.scripted import scripted_teacher
    from alpaca_course.selfinstruct import generate
    from alpaca_course.teacher import open_teacher
    with scripted_teacher(seed=100) as url, open_teacher("teacher-large", url, "none") as teacher:
        write_records(generate(teacher, read_seeds(data_folder() / "seed_tasks.jsonl"), records, folder / "log.jsonl", seed=100).records, folder / "data.jsonl")
    return folder / "data.jsonl"


def run(data, folder, job):
    out = folder / "-".join(str(v) for v in job.values())
    keep = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([sys.executable, "-c", ONE, str(data), str(out), json.dumps(job)], capture_output=True, text=True, env=os.environ | keep)
    if done.returncode: raise SystemExit(done.stderr)
    return [int(n) for n in done.stdout.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", nargs="+", default=["few", "many"]); parser.add_argument("--rates", nargs="+", type=float, default=[3e-3]); parser.add_argument("--blends", nargs="+", type=float, default=[.4, .55, .7, .85, 1.])
    parser.add_argument("--methods", nargs="+", default=["lora"]); parser.add_argument("--ranks", nargs="+", type=int, default=[16]); parser.add_argument("--records", nargs="+", type=int, default=[2000]); parser.add_argument("--epochs", nargs="+", type=int, default=[2])
    given = parser.parse_args()
    from alpaca_course.statistics import wilson
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = data_for_choice(folder, max(given.records))
        jobs = [dict(base=b, method=m, rank=k, rate=r, blend=s, records=n, epochs=e) for s in given.blends for k in given.ranks for n in given.records for e in given.epochs for m in given.methods for r in given.rates for b in given.bases]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for job, (right, n) in zip(jobs, pool.map(lambda job: run(data, folder, job), jobs)):
                print(*(f"{k} {v}" for k, v in job.items()), "validation %.3f (%.3f to %.3f, n=%d)" % (*wilson(right, n)[:3], n), sep="  ", flush=True)


if __name__ == "__main__": main()
