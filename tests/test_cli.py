"""The program as a newcomer meets it: mistakes are one sentence and exit code 2, an interrupted run goes on, nothing is lost."""
import json, os, resource, shutil, signal, subprocess, sys, time
from pathlib import Path

import pytest

from alpaca_course.pretraining import Recipe, new_model, shipped_tokenizer
from alpaca_course.scripted import scripted_teacher

PROGRAM = Path(sys.executable).parent / "alpaca-course"
RECORD = '{"instruction": "Spell moon.", "input": "", "output": "m o o n"}\n'
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ALPACA_"))} | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run(*args, cwd, env={}, limit=None, timeout=900):
    "Run the program; `limit` bytes is the largest file it may write, as on a full disk."
    before = (lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))) if limit else None
    return subprocess.run([str(PROGRAM), *map(str, args)], cwd=cwd, env=CLEAN | env, capture_output=True, text=True, timeout=timeout, preexec_fn=before)


def explained(done, *words):
    "One sentence on standard error, no traceback, exit code 2."
    last = [line for line in done.stderr.replace("\r", "\n").split("\n") if line.startswith("alpaca-course: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(last) == 1, done.stderr[-2000:]
    for word in words: assert word in last[0], (word, last[0])


# ---- mistakes in files and options
BAD_FILES = {"empty": (b"", "empty"), "not json": (b"hello\n", "line 1"), "a number": (b"7\n", "line 1"), "no output": (b'{"instruction": "Spell moon."}\n', "output"),
             "output is a list": (b'{"instruction": "Spell moon.", "output": ["m"]}\n', "output"), "cut off": (RECORD.encode() + b'{"instruction": "Sp', "line 2"),
             "NUL bytes": (b"\0\0\0\0", "line 1"), "not UTF-8": (b'{"instruction": "\xff\xfe", "output": "x"}\n', "UTF-8")}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_records_are_explained(tmp_path, name):
    content, word = BAD_FILES[name]
    (tmp_path / "bad.jsonl").write_bytes(content)
    explained(run("tune", "--base", "few", "--data", "bad.jsonl", "--out", "x", cwd=tmp_path), "bad.jsonl", word)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("args, words", [
    (["tune", "--base", "few", "--data", "nowhere.jsonl", "--out", "x"], ["nowhere.jsonl"]),
    (["tune", "--base", "nobody/nothing", "--data", "good.jsonl", "--out", "x"], ["nobody/nothing", "Hub"]),
    (["tune", "--base", "./folder", "--data", "good.jsonl", "--out", "x"], ["folder"]),
    (["tune", "--base", "few", "--data", "good.jsonl", "--out", "x", "--template", "llama"], ["llama", "alpaca"]),
    (["tune", "--base", "few", "--data", "good.jsonl", "--out", "good.jsonl"], ["good.jsonl"]),
    (["ask", "nowhere", "Spell moon."], ["nowhere"]),
    (["score", "few"], ["few"]),
    (["report", "nowhere"], ["nowhere"]),
    (["generate", "--seeds", "nowhere.jsonl", "--out", "y.jsonl"], ["nowhere.jsonl"]),
    (["generate", "--seeds", "good.jsonl", "--out", "y.jsonl", "--threshold", "7"], ["7"]),
    (["course", "--model", "no-such-teacher", "--quick"], ["no-such-teacher"]),
])
def test_bad_options_are_explained(tmp_path, args, words):
    (tmp_path / "good.jsonl").write_text(RECORD * 3)
    explained(run(*args, cwd=tmp_path), *words)


def test_damaged_base_is_explained(tmp_path):
    base = tmp_path / "base"
    new_model(Recipe(hidden=32, layers=1, heads=2, feedforward=64)).save_pretrained(base)
    shipped_tokenizer(base)
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "good.jsonl").write_text(RECORD)
    explained(run("tune", "--base", base, "--data", "good.jsonl", "--out", "x", cwd=tmp_path), "base")


def test_template_mismatch_is_explained(tmp_path):
    (tmp_path / "good.jsonl").write_text(RECORD)
    assert run("tune", "--base", "few", "--data", "good.jsonl", "--out", "t", "--epochs", "1", cwd=tmp_path).returncode == 0
    explained(run("ask", "t", "Spell moon.", "--template", "alpaca-newline", cwd=tmp_path), "alpaca-newline", "alpaca")
    assert run("ask", "t", "Spell moon.", cwd=tmp_path).returncode == 0


# ---- endpoints
def test_endpoint_down_is_explained(tmp_path):
    explained(run("course", "--quick", cwd=tmp_path, env=dict(OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="k", ALPACA_TEACHER_MODEL="m")), "127.0.0.1:9", "after 5 tries")  # not for ever


def test_missing_key_and_refused_model_are_explained(tmp_path):
    with scripted_teacher() as url:
        explained(run("course", "--quick", cwd=tmp_path, env=dict(OPENAI_BASE_URL=url, ALPACA_TEACHER_MODEL="teacher-large")), "OPENAI_API_KEY")
        explained(run("course", "--quick", cwd=tmp_path, env=dict(OPENAI_BASE_URL=url, OPENAI_API_KEY="key-31415926", ALPACA_TEACHER_MODEL="gpt-zero")), "gpt-zero")
        assert "31415926" not in "".join(p.read_text() for p in tmp_path.rglob("*.json*"))


# ---- a run that is disturbed
def figures(folder):
    "The results without what depends on the clock."
    results = json.loads((folder / "results.json").read_text())
    for base in results["bases"].values(): base.pop("seconds")
    return {k: results[k] for k in ("waterfall", "diversity", "bases", "samples", "pairwise")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run("course", "--quick", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "_course"


def test_quick_course_leaves_results_and_report(undisturbed):
    page = (undisturbed / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "scripted teacher-large" in page
    assert figures(undisturbed)["bases"]["few"]["tuned"]["n"] >= 35


@pytest.mark.parametrize("moment", ["log.jsonl", "data.jsonl", "models", "teacher.json"])
def test_interrupted_course_goes_on_to_the_same_figures(undisturbed, tmp_path, moment):
    "Ctrl-C when the file of a stage appears; the next run ends with the figures of an undisturbed one."
    process = subprocess.Popen([str(PROGRAM), "course", "--quick"], cwd=tmp_path, env=CLEAN, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 900
    while not (tmp_path / "_course" / moment).exists() and process.poll() is None and time.monotonic() < deadline: time.sleep(.02)
    if process.poll() is None: os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=900)[1]
    assert process.returncode in (130, 0) and "Traceback" not in errors, errors[-2000:]
    if process.returncode == 130: assert "stopped" in errors and "goes on" in errors
    assert run("course", "--quick", cwd=tmp_path).returncode == 0
    assert figures(tmp_path / "_course") == figures(undisturbed)


def test_full_disk_is_explained_and_the_run_goes_on(undisturbed, tmp_path):
    explained(run("course", "--quick", cwd=tmp_path, limit=40_000), "log.jsonl")
    assert run("course", "--quick", cwd=tmp_path).returncode == 0
    assert figures(tmp_path / "_course") == figures(undisturbed)


def test_full_disk_while_tuning_is_explained(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "_course", ignore=shutil.ignore_patterns("models", "runs", "results.json", "report.html"))
    explained(run("course", "--quick", cwd=tmp_path, limit=1_000_000), "few")
    assert run("course", "--quick", cwd=tmp_path).returncode == 0
    assert figures(tmp_path / "_course") == figures(undisturbed)


def test_second_run_does_nothing_again(undisturbed):
    stamps = {p: p.stat().st_mtime_ns for p in (undisturbed / "models").rglob("*") if p.is_file()}
    assert stamps and run("course", "--quick", cwd=undisturbed.parent).returncode == 0
    assert {p: p.stat().st_mtime_ns for p in (undisturbed / "models").rglob("*") if p.is_file()} == stamps
