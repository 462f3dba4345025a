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
from alpaca_course.grading.supervisor import children

SHORT = dict(seconds=60., cell_seconds=1., probe_seconds=.5, memory_mb=300)
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
    except (FileNotFoundError, ProcessLookupError): return []  # it ended while we looked
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
    said = child.communicate(timeout=3000)[0].decode()
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


def test_nobody_fair_is_told_that_he_forged(graded):
    told_so = [(s, r) for s, r in graded["pairs"] if s.kind in ("fair", "hostile", "spying") and any("no part of the runner" in f or "worked out" in f for f in r["extra_data"]["flags"])]
    assert not told_so, told(told_so)


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
        if s.name in ("blank", "plain", "half", "loop_in_function", "wrong_type", "memory_in_function"):  # inputs and expected values of hidden tests, on the page and in what Gradescope may show
            for hidden in ("0.1, 0.2, 0.6", "The the THE", "llama, alpaca", "10, 20, 40", "12.472", "1, 1, 5", "label(100)", "9, 10, 99", "[\"low\", \"mid\", \"mid\"]"):
                assert hidden not in page and hidden not in json.dumps(r["tests"]) + r["output"], (s.name, hidden)
    assert all(list(r)[0] == "extra_data" and list(r["extra_data"])[0] == "note" and "for the instructor" in r["extra_data"]["note"] for _, r in graded["pairs"])
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
    run = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={graded['top']}/chromium", "--dump-dom", f"file://{page}"], capture_output=True, timeout=900, text=True)
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
    assert child.wait(timeout=900) == 0, child.stdout.read().decode()[-2000:]
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
        assert b"another batch is grading" in child.communicate(timeout=600)[0] and child.returncode != 0
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
    before = children()
    with pytest.raises(ValueError, match="the reference solution fails . of its own tests, so nothing was graded"): grade()
    assert children() == before  # no sandbox stays behind
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
    students = [job for job in jobs if '"id": "libraries"' in job]  # the others are the reference's, and the untouched release's
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
    assert {name: (r["score"], r["extra_data"]["student"], r["extra_data"]["problem"]) for name, r in results.items()} == {"ada": (16, "ada", ""), "ada_replaced_1": (0, "ada", "replaced by a newer one"), "x": (0, "", "a bomb")}
    assert results["ada"]["extra_data"]["flags"] == ["late"] and results["ada_replaced_1"]["extra_data"]["flags"] == []


def command(grade, *words, out="out"):
    "The command on the small class, as an instructor types it."
    import argparse
    parser = argparse.ArgumentParser(); batch.autograde_arguments(parser)
    base = ["--master", grade.master, "--submissions", grade.folder / "submissions", "--out", grade.folder / out, "--seconds", 30]
    return batch.autograde_command(parser.parse_args([str(w) for w in [*base, *words]]))


def test_who_looks_up_a_student_finds_the_file_that_counts(grade, capsys):
    "A Canvas zip with a resubmission, a PDF beside a notebook and a damaged file: no row that was not graded looks like a zero."
    from zipfile import ZipFile
    from alpaca_course.grading.archives import collect
    top, right, blank = grade.folder, json.dumps(made.released(made.RIGHT)), json.dumps(made.released({}))
    (top / "roster.csv").write_text("id,name\n104,Li Wei\n105,Ana B\n106,Bo C\n")
    with ZipFile(top / "canvas.zip", "w") as z:
        for name, text in (("liwei_104_1_hw.ipynb", blank), ("liwei_104_2_hw-1.ipynb", right), ("anab_105_3_a.pdf", "%PDF-1.7"), ("anab_105_4_hw.ipynb", right), ("boc_106_5_hw.ipynb", right[:300])): z.writestr(name, text)
    shutil.rmtree(top / "submissions")
    collect("x", top / "canvas.zip", top / "submissions", top / "roster.csv")
    assert command(grade) == 0
    table = list(csv.DictReader((top / "out/summary.csv").open(newline="")))
    assert {r["submission"]: r["score"] for r in table} == {"104": "16.0", "104_replaced_1": "", "105": "16.0", "105-2": "", "106": ""}
    first = {}
    for r in table: first.setdefault(r["student"], r)
    assert {s: r["score"] for s, r in first.items()} == {"104": "16.0", "105": "16.0", "106": ""}
    marks = [float(r["score"]) for r in table if r["score"]]
    assert sum(marks) / len(marks) == 16 and all(not v for r in table if not r["score"] for k, v in r.items() if k.endswith("_points"))
    head = json.loads((top / "out/summary.json").read_text())
    assert (head["not_graded"], head["replaced"], [r["score"] for r in head["results"]].count(None)) == (2, 1, 3)
    said = capsys.readouterr().out
    assert "5 submissions; 2 could not be graded, 1 replaced by newer ones, 2 carry flags" in said and "replaced_1" not in said
    assert not (top / "out/104_replaced_1/feedback.html").exists() and "16 of 16" in (top / "out/104/feedback.html").read_text()
    # and the book of marks takes them: nothing said but of those not graded, points of the file that counts
    from alpaca_course.grading.results import read_results
    results, lines = read_results(top / "out", read_assignment(grade.master))
    assert lines == [] and {r.name: bool(r.problem) for r in results} == {"104": False, "104_replaced_1": True, "105": False, "105-2": True, "106": True}


def test_two_notebooks_of_one_student_are_said_to_be_two(tmp_path):
    lines = [dict(student="1", path=p, name=p) for p in ("b.ipynb", "a.ipynb", "c.md")] + [dict(student="", path="1.ipynb", name="1.ipynb", attempt=2), dict(student="2", path="d.ipynb", name="d.ipynb", attempt=3, late=True), dict(student="1_replaced_1", path="e.ipynb", name="e.ipynb"), dict(student="1", path="f.ipynb", name="b.ipynb", newest=False)]
    (tmp_path / "submissions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = [(w.name, w.paths[0].name, w.note.split(",")[0]) for w in batch.find_work(tmp_path)]
    two = "one of 2 notebooks of this student"
    assert found == [("1", "b.ipynb", two), ("1-2", "a.ipynb", two), ("1-3", "c.md", ""), ("1_replaced_1-2", "f.ipynb", ""), ("1_2", "1.ipynb", ""), ("2", "d.ipynb", "late"), ("1_replaced_1", "e.ipynb", "")], found


@pytest.mark.parametrize("trouble", [OSError("no more processes"), ValueError("the sandbox did not start: no word why")])
def test_a_sandbox_that_does_not_start_is_started_again(grade, monkeypatch, trouble):
    "What goes wrong once costs nobody anything; what goes wrong twice is a person's, and tried again by the next batch."
    from alpaca_course.grading.sandbox import Worker
    start, tried, sandbox = Worker.start, [], find_sandbox()
    def broken(worker, times):
        tried.append(worker)
        if worker is not tried[0] and tried.count(worker) <= times: raise trouble  # the first worker has read the reference
        start(worker)
    monkeypatch.setattr(Worker, "start", lambda worker: broken(worker, 1))
    first, _ = grade(sandbox=sandbox)
    assert {name: r["score"] for name, r in first.items()} == grade.want and [tried.count(worker) for worker in dict.fromkeys(tried)] == [1, 2]
    assert not any(r["extra_data"].get("again") or r["extra_data"]["flags"] for r in first.values())
    shutil.rmtree(grade.folder / "out"); tried.clear()
    monkeypatch.setattr(Worker, "start", lambda worker: broken(worker, 2))
    second, _ = grade(sandbox=sandbox)
    again = {name: r["extra_data"] for name, r in second.items() if r["extra_data"].get("again")}
    assert len(again) == 1 and all(str(trouble) in extra["problem"] and "a person must look" in extra["problem"] for extra in again.values()), again
    monkeypatch.undo()
    third, _ = grade(sandbox=sandbox)
    assert {name: r["score"] for name, r in third.items()} == grade.want


def test_cells_are_parsed_by_one_thread_at_a_time():
    "CPython before 3.11.8 and 3.12.2 refuses a sound cell now and then when two threads parse: `markers.parsed` is the one door."
    for file in Path(batch.__file__).parent.glob("*.py"):
        found = [line for line in file.read_text().splitlines() if "ast.parse(" in line and "with ONE_TREE" not in line]
        assert not found, (file.name, found)


def test_another_version_of_the_grader_grades_anew_and_says_so(grade, capsys, monkeypatch):
    assert command(grade) == 0
    first = seen(grade.folder / "out"); capsys.readouterr()
    broken = {p.parent.name: p.read_text() for p in (grade.folder / "out").glob("*/results.json") if "grader failed" in p.read_text()}
    assert not broken, broken
    assert command(grade) == 0 and seen(grade.folder / "out") == first
    said = capsys.readouterr().err
    assert "4 of 4 submissions keep the result they have, 0 to grade" in said and "anew" not in said
    monkeypatch.setattr(batch, "grader_hash", lambda: "f" * 64)
    (grade.folder / "submissions/s03.ipynb").write_text("{")
    assert command(grade) == 0
    assert all(first[name] != place for name, place in seen(grade.folder / "out").items())
    assert "4 graded anew: the course's grading code changed" in capsys.readouterr().err
    (grade.folder / "submissions/s02.ipynb").write_text("{")
    (grade.folder / "submissions/s01.ipynb").rename(grade.folder / "submissions/late.ipynb")
    (grade.master.parent / "data").mkdir(exist_ok=True)
    assert command(grade) == 0
    said = capsys.readouterr().err
    assert "2 of 4 submissions keep the result they have, 2 to grade\n1 graded anew: the submission changed\n1 left over from an earlier batch, in no summary: s01" in said and "2 of 2 graded" in said
    (grade.master.parent / "data/rows.csv").write_text("1\n")
    assert command(grade) == 0 and "4 graded anew: the data folder changed" in capsys.readouterr().err


def test_every_module_that_decides_marks_is_in_the_key():
    "What autograde and the supervisor import from the grading half, followed to the end."
    import ast
    home, found, todo = Path(batch.__file__).parent, set(), ["autograde", "supervisor"]
    while todo:
        name = todo.pop()
        if name in found or not (home / f"{name}.py").is_file(): continue
        found.add(name)
        for n in ast.walk(ast.parse((home / f"{name}.py").read_text())):
            if isinstance(n, ast.ImportFrom): todo.append((n.module or "").removeprefix("alpaca_course.grading.").split(".")[0])
    names_only = {"archives", "origin", "roster", "texts", "feedback", "pages"}  # whose file it is, and how a page looks
    assert found - names_only == set(batch.GRADER)


def test_results_are_not_put_among_submissions(grade):
    top = grade.folder
    before = snapshot(top / "submissions")
    (top / "link").symlink_to(top / "submissions")
    for out in ("submissions", "link", "."):
        with pytest.raises(ValueError, match="choose (another one|a folder of its own) for the results"): command(grade, out=out)
    (top / "a_file").write_text("")
    with pytest.raises(ValueError, match="a file; name a folder for the results"): command(grade, out="a_file")
    for given, why in (("submissions/s00.ipynb", "a file; give the folder that it is in"), ("a.zip", "alpaca-course collect"), ("empty", "an empty folder"), ("gone", "no such folder")):
        (top / "a.zip").write_text("PK"); (top / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=why): command(grade, "--submissions", top / given)
    assert snapshot(top / "submissions") == before and not (top / "out").exists()
    shutil.copy(top / "submissions/s00.ipynb", top / "submissions/s04.ipynb.ipynb")  # its results lie in a folder `s04.ipynb`
    assert command(grade, out="submissions/graded") == 0 and command(grade, out="submissions/graded") == 0  # inside is fine: it is no submission
    assert len(list(csv.DictReader((top / "submissions/graded/summary.csv").open(newline="")))) == 5 and (top / "submissions/graded/s04.ipynb/results.json").is_file()


def test_notebooks_under_other_names_are_read(grade):
    top, right = grade.folder / "submissions", json.dumps(made.released(made.RIGHT))
    for name in ("UP.IPYNB", "saved.ipynb.txt", "phone.json", "no_suffix"): (top / name).write_text(right)
    (top / "bom.json").write_text(right, encoding="utf-8-sig"); (top / "scores.json").write_text('{"ana": 3}'); (top / "notes.txt").write_text('The word "cells": here')
    (top / "folder").mkdir(); (top / "folder/hw.ipynb.txt").write_text(right); os.mkfifo(top / "pipe.json")
    results, _ = grade()
    assert {n: r["score"] for n, r in results.items() if not r["extra_data"]["problem"] and n not in grade.want} == dict.fromkeys(["UP", "saved.ipynb.txt", "phone.json", "no_suffix", "bom.json", "folder"], 16)
    assert results["UP"]["extra_data"]["flags"] == [] and "saved.ipynb.txt was read as a notebook; rename it" in results["saved.ipynb.txt"]["extra_data"]["flags"][0]
    assert {n for n, r in results.items() if "not a notebook" in r["extra_data"]["problem"]} == {"scores.json", "notes.txt", "pipe.json"}


def test_progress_counts_what_is_graded_now(monkeypatch):
    import io
    from types import SimpleNamespace
    said = io.StringIO(); line = batch.Progress(0, said)
    line.begin(10, ["kept 90"]); monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=lambda: line.start + 60))
    for _ in range(5): line.step(dict(extra_data=dict(flags=[])))
    lines = said.getvalue().splitlines()
    assert lines[0] == "kept 90" and lines[5].startswith("5 of 10 graded, 0 with flags, 12.") and "about 60 s to go" in lines[5], lines


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
