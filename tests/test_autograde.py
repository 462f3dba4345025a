"A batch of some two hundred submissions, most of them odd, broken or hostile, in real sandboxes: nobody gains a point, nobody fair loses one, nothing outside changes, nothing survives."
import csv, ctypes, hashlib, json, os, random, shutil, signal, subprocess, sys, time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import needs

import make_submissions as made
from alpaca_course.grading import autograde as batch
from alpaca_course.grading.assignment import read_assignment
from alpaca_course.grading.feedback import feedback_page, policy, write_feedback
from alpaca_course.grading.sandbox import Limits, Sandbox, find_sandbox

SHORT = dict(seconds=12., cell_seconds=1., probe_seconds=.5, memory_mb=300)
RUN = """
import sys
from alpaca_course.grading.autograde import autograde
from alpaca_course.grading.feedback import write_feedback
from alpaca_course.grading.sandbox import Limits
results = autograde(sys.argv[1], sys.argv[2], sys.argv[3], limits=Limits(**eval(sys.argv[4])), workers=2)
write_feedback(results, sys.argv[3], "A demonstration")
"""


def snapshot(*folders):
    "What lies in the folders: path -> hash (files), target (links) or kind."
    def say(p): return os.readlink(p) if p.is_symlink() else hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "other"
    return {str(p): say(p) for folder in folders for p in sorted(Path(folder).rglob("*"))}


def adopt(yes=True): ctypes.CDLL(None).prctl(36, int(yes), 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what a dead child leaves behind becomes ours
def below(pid):
    "Processes below `pid`, dead ones collected."
    try: found = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    except FileNotFoundError: return []  # it ended while we looked
    return found + [deep for child in found if Path(f"/proc/{child}").exists() for deep in below(child)]
def survivors(before, seconds=5):
    "Names of processes below us that were not there before and do not end by themselves."
    end = time.monotonic() + seconds
    while left := [p for p in below(os.getpid()) if p not in before]:
        for p in left:
            try: os.waitpid(p, os.WNOHANG)
            except ChildProcessError: pass
        if time.monotonic() > end: return [Path(f"/proc/{p}/cmdline").read_bytes()[:80] for p in left if Path(f"/proc/{p}").exists()]
        time.sleep(.05)
    return []


def start(master, submissions, out, limits=SHORT, **more):
    env = os.environ | dict(ALPACA_TEST_SECRET="SECRET-8261") | more
    return subprocess.Popen([sys.executable, "-P", "-c", RUN, str(master), str(submissions), str(out), repr(limits)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    "The whole set graded once, by a process of its own with a home of its own."
    needs("bwrap")
    top = tmp_path_factory.mktemp("autograde")
    master, _ = made.write_assignment(top / "assignment")
    canary, home = top / "canary", top / "home"
    for folder in (canary, home): folder.mkdir()
    (canary / "SECRET").write_text("SECRET-8261"); (home / ".bashrc").write_text("# mine")
    submissions = made.write_submissions(top / "submissions", canary)
    adopt(); mine, before = below(os.getpid()), snapshot(canary, home, top / "assignment")
    inputs = sorted(p.name for p in (top / "submissions").iterdir())
    child = start(master, top / "submissions", top / "out", HOME=str(home), IPYTHONDIR=str(home / ".ipython"))
    said = child.communicate(timeout=500)[0].decode()
    left = survivors(mine); adopt(False)
    assert child.returncode == 0, said[-3000:]
    results = {r.parent.name: json.loads(r.read_text()) for r in (top / "out").glob("*/results.json")}
    by_file = {r["extra_data"]["file"]: r for r in results.values()}
    clip = batch.clip
    pairs = [(s, by_file[clip(f"{s.name}.ipynb" if (top / "submissions" / f"{s.name}.ipynb").exists() or (top / "submissions" / f"{s.name}.ipynb").is_symlink() else s.name, 300)]) for s in submissions]
    return dict(top=top, pairs=pairs, results=results, left=left, changed=(before, snapshot(canary, home, top / "assignment")), inputs=inputs)


def told(pairs): return "\n".join(f"{s.kind} {s.name[:40]!r}: deserves {s.deserves}, got {r['score']}; {r['extra_data']['problem']} {r['extra_data']['flags'][:4]}" for s, r in pairs)


def test_the_set_is_large_and_of_all_kinds():
    submissions = made.submissions("/nowhere")
    counts = {kind: sum(s.kind == kind for s in submissions) for kind in ("fair", "broken", "greedy", "spying", "cheating", "hostile")}
    assert len(submissions) >= 180 and min(counts.values()) >= 14 and counts["fair"] >= 45, counts
    assert len({s.name for s in submissions}) == len(submissions)


def test_the_solved_master_gets_all_points_and_the_release_none(graded):
    points = {s.name: r["score"] for s, r in graded["pairs"]}
    assert (points["plain"], points["blank"]) == (16, 0)
    assert json.loads((graded["top"] / "out/summary.json").read_text())["free_tests"] == []


def test_every_submission_is_in_the_report(graded):
    rows = list(csv.DictReader((graded["top"] / "out/summary.csv").open(newline="")))
    assert len(rows) == len(graded["results"]) == len(graded["pairs"]) == len(graded["inputs"])
    for s, r in graded["pairs"]: assert bool(r["extra_data"]["problem"]) != s.readable, s.name


def test_nobody_gets_a_point_too_many(graded):
    wrong = [(s, r) for s, r in graded["pairs"] if r["score"] > s.deserves + 1e-9]
    assert not wrong, told(wrong)


def test_nobody_fair_gets_a_point_too_few(graded):
    wrong = [(s, r) for s, r in graded["pairs"] if s.exact and abs(r["score"] - s.deserves) > 1e-9]
    assert not wrong, told(wrong)


def test_what_is_lost_for_a_technical_reason_is_flagged(graded):
    silent = [(s, r) for s, r in graded["pairs"] if s.kind != "cheating" and r["score"] < s.deserves - 1e-9 and not r["extra_data"]["flags"]]
    assert not silent, told(silent)
    flags = {s.name: " ".join(r["extra_data"]["flags"]) for s, r in graded["pairs"]}
    for name, word in dict(loop_in_function="ran out of time", memory_bit_by_bit="memory", doubled_two_versions="2 cells claim it", marker_and_ids_gone="found by its text", deleted_question="not found", syntax_error_in_one="SyntaxError").items():
        assert word in flags[name], (name, flags[name])


def test_nothing_outside_changes(graded):
    before, after = graded["changed"]
    assert before == after
    for place in (graded["top"], graded["top"].parent, Path(sys.prefix), Path(batch.__file__).parents[2], Path.home(), Path("/tmp"), Path("/dev/shm")):
        assert not (place / "canary_was_here").exists(), place
    assert sorted(p.name for p in graded["top"].iterdir()) == ["assignment", "canary", "home", "out", "submissions"]


def test_nothing_survives(graded):
    assert graded["left"] == []


def test_the_report_gives_nothing_away_and_runs_nothing(graded):
    secrets = ["private-guideline-4711", "hardly at all", "1.885618", '"alpaca": 1', "found.get(word, 0)"]
    class Tags(HTMLParser):
        def __init__(self, page): super().__init__(); self.seen = set(); self.on = []; self.feed(page)
        def handle_starttag(self, tag, attrs): self.seen.add(tag); self.on += [a for a, _ in attrs if a.startswith("on") or a in ("src", "href", "style")]
    for s, r in graded["pairs"]:
        page = (graded["top"] / "out" / r["extra_data"]["submission"] / "feedback.html").read_text()
        tags = Tags(page)
        assert not tags.on and not tags.seen & {"script", "img", "iframe", "link", "object", "a", "form"}, s.name
        assert policy() in page and page.count("<style>") == 1 and "without a sandbox" not in page, s.name
        if s.name == "blank":
            for secret in secrets: assert secret not in page and secret not in json.dumps(r), secret
    visible = [t for _, r in graded["pairs"] for t in r["tests"] if t["visibility"] == "hidden"]
    assert visible and not any(t["output"] or "(" in t["name"].split("hidden test")[1] for t in visible)


def test_results_are_what_gradescope_reads(graded):
    for _, r in graded["pairs"]:
        assert set(r) == {"score", "execution_time", "output", "visibility", "stdout_visibility", "tests", "extra_data"}
        assert abs(r["score"] - sum(t["score"] for t in r["tests"])) < 1e-6 and sum(t["max_score"] for t in r["tests"]) == 19
        text = [t for t in r["tests"] if t["tags"] == ["why"]]
        assert len(text) == 1 and text[0]["score"] == 0 and "status" not in text[0]


def test_tables_hold_no_formula(graded):
    for row in csv.reader((graded["top"] / "out/summary.csv").open(newline="")):
        assert not any(field[:1] in tuple("=+-@\t\r") for field in row if field), row
    assert "'=1+1|calc.ipynb" in (graded["top"] / "out/summary.csv").read_text()


def test_a_browser_runs_nothing_of_it(graded):
    needs("chromium")
    name = next(r["extra_data"]["submission"] for s, r in graded["pairs"] if s.name == "script_in_answer")
    page = graded["top"] / "out" / name / "feedback.html"
    run = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={graded['top']}/chromium", "--dump-dom", f"file://{page}"], capture_output=True, timeout=120, text=True)
    assert "<title>A demonstration</title>" in run.stdout and "&lt;script&gt;" in run.stdout, run.stderr[-500:]
    shutil.rmtree(graded["top"] / "chromium", ignore_errors=True)


# ---- stopped and started again

def small_class(folder, n=14, wait=0):
    "A master and `n` fair submissions of known points, some slow, so that a kill falls between and into them."
    master, _ = made.write_assignment(folder / "assignment")
    (folder / "submissions").mkdir()
    want = {}
    for i in range(n):
        slow = made.bodies(mean="import time; time.sleep(.1)\nif not xs: raise ValueError('empty')\nreturn sum(xs) / len(xs)")
        given = {name: slow[name] for name in made.NAMES[:i % 5]}
        (folder / "submissions" / f"s{i:02}.ipynb").write_text(json.dumps(made.released(given, why=f"answer {i}", after=[f"import time; time.sleep({wait})"])))
        want[f"s{i:02}"] = 4. * (i % 5) - (4. if i % 5 > 2 and "mean" not in given else 0.)
    return master, want


def seen(out): return {p.parent.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in Path(out).glob("*/results.json")}


def test_killed_at_any_moment_and_started_again(tmp_path):
    needs("bwrap")
    master, want = small_class(tmp_path, wait=.5)
    rng, done, kills = random.Random(5), {}, 0
    adopt(); mine = below(os.getpid())
    for _ in range(12):
        child = start(master, tmp_path / "submissions", tmp_path / "out")
        while len(seen(tmp_path / "out")) <= len(done) + rng.randrange(3) and child.poll() is None: time.sleep(.01)
        time.sleep(rng.random() * .1)
        ended = child.poll() is not None
        child.kill(); child.communicate()
        kills += not ended
        assert survivors(mine) == []
        now = seen(tmp_path / "out")
        assert all(now.get(name) == place for name, place in done.items()), "graded twice, or lost"
        for p in (tmp_path / "out").glob("*/results.json"): json.loads(p.read_text())
        done = now
        if ended: break
    child = start(master, tmp_path / "submissions", tmp_path / "out")
    assert child.wait(timeout=120) == 0, child.stdout.read().decode()[-2000:]
    adopt(False)
    now = seen(tmp_path / "out")
    assert kills and all(now[name] == place for name, place in done.items()) and set(now) == set(want)
    rows = {row["submission"]: float(row["score"]) for row in csv.DictReader((tmp_path / "out/summary.csv").open(newline=""))}
    assert rows == want


def test_two_batches_do_not_share_a_folder(tmp_path):
    needs("bwrap")
    master, _ = small_class(tmp_path, 2)
    (tmp_path / "out").mkdir()
    with batch.batch_lock(tmp_path / "out"):
        child = start(master, tmp_path / "submissions", tmp_path / "out")
        assert b"another batch is grading" in child.communicate(timeout=60)[0] and child.returncode != 0
    assert seen(tmp_path / "out") == {}


@pytest.fixture
def grade(tmp_path):
    "Grades a small class; returns (results by name, places of results.json)."
    needs("bwrap")
    master, want = small_class(tmp_path, 4)
    def run(**more):
        results = batch.autograde(master, tmp_path / "submissions", tmp_path / "out", limits=Limits(**SHORT), **more)
        return {r["extra_data"]["submission"]: r for r in results}, seen(tmp_path / "out")
    run.folder, run.master, run.want = tmp_path, master, want
    return run


def test_only_what_changed_is_graded_anew(grade):
    first, places = grade()
    assert {name: r["score"] for name, r in first.items()} == grade.want
    (grade.folder / "submissions/s00.ipynb").write_text(json.dumps(made.released(made.RIGHT)))
    second, now = grade()
    assert second["s00"]["score"] == 16 and {name for name in now if now[name] != places[name]} == {"s00"}
    grade.master.write_text(grade.master.read_text().replace("test_eq(mean([5]), 5)", "test_eq(mean([6]), 6)"))
    third, later = grade()
    assert all(later[name] != now[name] for name in now) and third["s00"]["score"] == 16


def test_a_reference_that_fails_its_own_tests_stops_the_batch(grade):
    grade.master.write_text(grade.master.read_text().replace("/ len(xs)", "/ 2", 1))
    with pytest.raises(ValueError, match="the reference solution fails . of its own tests, so nothing was graded"): grade()
    assert seen(grade.folder / "out") == {}


def test_expected_values_do_not_enter_the_students_run(grade, monkeypatch):
    jobs, run = [], batch.open_workers
    def watched(*args):
        workers = run(*args)
        ask = workers.run
        workers.run = lambda job: (jobs.append(json.dumps(job)), ask(job))[1]
        return workers
    monkeypatch.setattr(batch, "open_workers", watched)
    grade()
    students = jobs[3:]  # before: expected values, the reference itself, the untouched release
    assert len(students) == 4
    for job in students:
        for secret in ("12.472191289246473", "1.885618", '\\"alpaca\\": 1', '"high"]', "hardly at all", "4711", "found.get(word"): assert secret not in json.dumps([c for c in json.loads(job)["probes"]]), secret
        assert "12.47" not in job and "1.8856" not in job and "hardly" not in job and "4711" not in job


def test_a_folder_for_each_student_and_what_collect_leaves(grade):
    top = grade.folder / "submissions"
    (top / "ada/deep").mkdir(parents=True); (top / "ada/deep/hw.ipynb").write_text(json.dumps(made.released(made.RIGHT))); (top / "ada/notes.ipynb").write_text(json.dumps(made.notebook([made.cell("code", "1")])))
    results, _ = grade()
    assert results["ada"]["score"] == 16 and any("2 notebooks; hw.ipynb was graded" in f for f in results["ada"]["extra_data"]["flags"])


    lines = [dict(student="ada", path="ada/deep/hw.ipynb", name="hw.ipynb", late=True, attempt=2), dict(student="ada", path="s00.ipynb", name="hw.ipynb", newest=False), dict(student="", name="x.zip", problem="a bomb")]
    (top / "submissions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results, _ = grade()
    assert {name: (r["score"], r["extra_data"]["student"], r["extra_data"]["problem"]) for name, r in results.items()} == {"ada_2": (16, "ada", ""), "ada": (0, "ada", "replaced by a newer one"), "x": (0, "", "a bomb")}
    assert results["ada_2"]["extra_data"]["flags"] == ["late"]


def test_without_a_sandbox_every_page_says_so(grade, capsys):
    import argparse
    parser = argparse.ArgumentParser(); batch.autograde_arguments(parser)
    words = ["--master", grade.master, "--rubric", grade.master.with_name("rubric.yaml"), "--submissions", grade.folder / "submissions", "--out", grade.folder / "open", "--no-sandbox", "--seconds", "30"]
    assert batch.autograde_command(parser.parse_args([str(w) for w in words])) == 0
    pages = list((grade.folder / "open").glob("*/feedback.html"))
    assert len(pages) == 4 and all("without a sandbox" in p.read_text() for p in pages)
    scores = {p.parent.name: json.loads(p.read_text()) for p in (grade.folder / "open").glob("*/results.json")}
    assert {name: r["score"] for name, r in scores.items()} == grade.want and all("WITHOUT a sandbox" in r["output"] for r in scores.values())
    assert "4 submissions; 0 could not be graded" in capsys.readouterr().out


def test_asking_for_help_loads_nothing_heavy():
    code = "import sys, argparse\nfrom alpaca_course.grading.autograde import autograde_arguments\nautograde_arguments(argparse.ArgumentParser())\nprint([m for m in ('torch', 'numpy', 'IPython', 'rapidfuzz', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
