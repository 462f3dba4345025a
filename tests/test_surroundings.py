"""What stands around the answers: data read from elsewhere, another folder, names taken from Python or from the setup, changed settings, used-up random numbers. Right work keeps its points and a person is told; the same tricks around wrong work win nothing."""
import json

import pytest
from alpaca_course.grading.assignment import read_assignment
from alpaca_course.grading.attempts import around_of, setup_names, without_spoilers
from alpaca_course.grading.autograde import autograde
from alpaca_course.grading.sandbox import Limits
from conftest import needs

IMPORTS = "import csv, decimal, math\nimport numpy as np\nfrom fastcore.test import test_eq, test_close"
DATA = 'rows = list(csv.DictReader(open("data/temps.csv")))\nKINDS = {"cold": 0, "warm": 15}'
SEED = "np.random.seed(7)\nrng = np.random.default_rng(3)"
DEMO = 'print(means(rows))\nfirst = means(rows)["Jan"]'
HEAD = dict(means="#| q: means points=3\ndef means(rows):\n", kind="#| q: kind points=2\ndef kind(x):\n", ranks="#| q: ranks points=2\ndef ranks(xs):\n", third="#| q: third points=2\ndef third(x):\n")
BODY = dict(means='    found = {}\n    for row in rows: found.setdefault(row["month"], []).append(float(row["celsius"]))\n    return {month: sum(v) / len(v) for month, v in found.items()}\n',
    kind="    return max((k for k in KINDS if x >= KINDS[k]), key=KINDS.get)\n", ranks="    return [sorted(xs).index(x) for x in xs]\n", third="    return str(np.array([x]) / 3) + str(decimal.Decimal(x) / 3)\n")
TESTS = dict(means=('test_close(means(rows)["Jan"], 0.5)', 'test_eq(list(means(rows)), ["Jan", "Feb"])\ntest_eq(means(list(csv.DictReader(open("data/temps.csv"))))["Feb"], 4.0)'),
    kind=('test_eq(kind(3), "cold")', 'test_eq(kind(20), "warm")'), ranks=("test_eq(ranks([5, 3]), [1, 0])", "xs = list(map(int, np.random.permutation(6)))\ntest_eq(ranks(xs), [sorted(xs).index(x) for x in xs])\nys = list(map(int, rng.permutation(6)))\ntest_eq(ranks(ys), [sorted(ys).index(y) for y in ys])"),
    third=('test_eq(third(3)[:4], "[1.]")', "test_eq(third(2), str(np.array([2]) / 3) + str(decimal.Decimal(2) / 3))"))
RUBRIC = "assignment: around\ntitle: Around\nquestions:\n" + "".join(f"  {name}: {{points: {3 if name == 'means' else 2}, kind: code, title: {name}}}\n" for name in HEAD)
RIGHT = {name: HEAD[name] + BODY[name] for name in HEAD}
STUB = {name: HEAD[name] + "    raise NotImplementedError\n" for name in HEAD}


def cell(source, id): return dict(cell_type="code", source=source, id=id, metadata={}, outputs=[], execution_count=None)
def notebook(*cells): return json.dumps(dict(cells=[cell(s, f"c{n}") for n, s in enumerate(cells)], nbformat=4, nbformat_minor=5, metadata={}))


def master():
    solved = {name: HEAD[name] + "    #| solution\n" + BODY[name] + "    #| end" for name in HEAD}
    cells = [source for name in HEAD for source in (solved[name], f"#| test: {name}\n{TESTS[name][0]}\n#| hidden\n{TESTS[name][1]}\n#| end")]
    return notebook(IMPORTS, DATA, SEED, *cells[:2], DEMO, *cells[2:])


def work(given=RIGHT, data=DATA, seed=SEED, first=(), before=(), after=()):
    answers = [source for name in HEAD for source in (given[name], f"#| test: {name}\n{TESTS[name][0]}")]
    return notebook(*first, IMPORTS, data, seed, *before, *answers[:2], DEMO, *answers[2:], *after)


DRIVE = 'from google.colab import drive\ndrive.mount("/content/drive")\nrows = list(csv.DictReader(open("/content/drive/MyDrive/temps.csv")))\nKINDS = {"cold": 0, "warm": 15}'
TRICKS = dict(plain={}, drive=dict(data=DRIVE), drive_in_a_function=dict(data='def load(path): return list(csv.DictReader(open(path)))\nrows = load("/content/drive/temps.csv")\nKINDS = {"cold": 0, "warm": 15}'),
    other_folder=dict(first=["import os\nos.makedirs('work', exist_ok=True)\nos.chdir('/tmp')"]), other_folder_at_the_end=dict(after=["import os\nos.chdir('/tmp')"]), folder_that_is_gone=dict(after=["import os\nos.mkdir('away'); os.chdir('away'); os.rmdir('../away')"]),
    data_deleted=dict(after=["del rows, KINDS"]), data_taken=dict(after=["rows = rows[:1]; KINDS = 3"]), imports_taken=dict(after=["np = decimal = csv = 5"]), emptied=dict(after=["%reset -f"]), cleared=dict(after=["globals().clear()"]), modules_gone=dict(after=["import sys\nsys.modules.clear()"]), no_seed=dict(seed="pass"),
    random_used=dict(after=["np.random.rand(3); np.random.shuffle([1, 2, 3])"]), generator_used=dict(before=["noise = rng.normal(size=3)"], after=["rng.random()"]), generator_replaced=dict(after=["rng = np.random.default_rng(99)"]), other_seed=dict(after=["np.random.seed(99)"]), print_options=dict(after=["np.set_printoptions(precision=2)"]), precision=dict(after=["decimal.getcontext().prec = 4"]),
    python_taken=dict(after=["list = [1, 2]; sum = 0; len = 5; max = 'x'; sorted = float = None"]), python_taken_in_a_loop=dict(after=["for sum in range(3): pass\nwith open('x', 'w') as len: pass\ndef sorted(x): return x"]), star=dict(after=["from math import *\nfrom numpy import *"]),
    all_at_once=dict(data=DRIVE, after=["import os\nos.chdir('/tmp')\nlist = [1]; sum = 0\ndecimal.getcontext().prec = 3; np.random.rand()"]),
    dies_too=dict(data=DRIVE, after=["import os\nos._exit(0)"]), signals=dict(first=["import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass"]))
QUIET = {"plain", "signals", "modules_gone"}  # nothing that a person must know
WRONG = dict(means=HEAD["means"] + "    return {'Jan': 0.5}\n", kind=HEAD["kind"] + "    return 'cold'\n", ranks=HEAD["ranks"] + "    return [1, 0]\n", third=HEAD["third"] + "    return '[1.]'\n")
TURNCOAT = WRONG | dict(kind=HEAD["kind"] + "    return 'warm' if 'KINDS' in globals() else 'cold'\n")  # another answer in each run


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    needs("bwrap")
    top = tmp_path_factory.mktemp("around")
    (top / "around/data").mkdir(parents=True); (top / "in").mkdir()
    (top / "around/around.ipynb").write_text(master()); (top / "around/rubric.yaml").write_text(RUBRIC)
    (top / "around/data/temps.csv").write_text("month,celsius\nJan,1\nJan,0\nFeb,4\n")
    for kind, given in dict(right=RIGHT, wrong=WRONG, stub=STUB, turncoat=TURNCOAT).items():
        for name, how in TRICKS.items():
            if kind in ("right", "wrong") or name in ("plain", "data_deleted", "all_at_once", "dies_too"): (top / "in" / f"{kind}-{name}.ipynb").write_text(work(given, **how))
    (top / "in/own-kinds.ipynb").write_text(work(data=DATA.replace("15", "25")))  # the student's own table, made to be wrong
    (top / "in/own-file.ipynb").write_text(work(RIGHT | dict(kind=HEAD["kind"] + "    return open('kinds.txt').read().split()[x >= 15]\n"), first=["import os\nos.makedirs('/tmp/work'); os.chdir('/tmp/work')\nopen('kinds.txt', 'w').write('cold warm')"]))
    results = autograde(top / "around", top / "in", top / "out", limits=Limits(seconds=90, cell_seconds=3, probe_seconds=2))
    return {r["extra_data"]["submission"]: (r["score"], r["extra_data"]["flags"]) for r in results}, read_assignment(top / "around/around.ipynb")


def test_right_work_keeps_its_points_whatever_stands_around_it(graded):
    got = {name: score for name, (score, _) in graded[0].items() if name.startswith("right-")}
    assert got == {f"right-{name}": 9. for name in TRICKS}, {k: graded[0][k] for k, v in got.items() if v < 9}


def test_a_person_is_told(graded):
    silent = [name for name in TRICKS if name not in QUIET and not graded[0][f"right-{name}"][1]]
    assert not silent
    assert not [name for name in QUIET if graded[0][f"right-{name}"][1]]
    flags = {name: " ".join(graded[0][f"right-{name}"][1]) for name in TRICKS}
    for name, words in dict(drive="rows: made by the setup, not there after the cells ran (cell 2 stops with ModuleNotFoundError)", data_deleted="KINDS, rows: made by the setup", precision="decimal's precision", print_options="numpy's print options", random_used="numpy's random numbers", generator_used="random numbers of rng").items():
        assert words in flags[name], (name, flags[name])


def test_wrong_work_wins_nothing_by_it(graded):
    "A table of the visible answers is right for the visible tests and one hidden one each for none; a stub for none."
    scores = {name: score for name, (score, _) in graded[0].items()}
    most = scores["wrong-plain"]
    assert 0 < most < 6 and scores["stub-plain"] == 0
    assert not {name: score for name, score in scores.items() if name.startswith(("wrong-", "turncoat-")) and score > most or name.startswith("stub-") and score > 0}


def test_what_the_student_made_stays(graded):
    assert graded[0]["own-kinds"][0] == 8 and graded[0]["own-file"][0] == 9, (graded[0]["own-kinds"], graded[0]["own-file"])


def test_names_of_the_setup(graded):
    every, sure = setup_names(graded[1])
    assert {"rows", "KINDS", "csv", "np", "first"} <= set(every) and "first" not in sure and {"rows", "KINDS"} <= set(sure)


def test_an_answer_that_is_none():
    for value in (None, {}, dict(ok=True), dict(ok=True, value=[[], []]), dict(ok=True, value=[[1], [], []]), dict(ok=True, value=[[], [], [["a", 1]]]), dict(ok=True, value={"~": "repr", "type": "x", "v": "y"})): assert around_of(value) is None
    assert around_of(dict(ok=True, value=[["a"], [], [["b", "c"]]])) == ({"a"}, set(), {"b": "c"})


def test_later_cells_without_what_they_take():
    cells = [dict(id=str(n), source=s) for n, s in enumerate(["import math\ndef f(x): return g(x)", "def g(x): return x\nsum = 0\nf = 3", "while True: pass", "def broken(:", "import math\nlen = f"], 1)]
    assert [c["source"] for c in without_spoilers(cells, 1)] == [cells[0]["source"], "def g(x):\n    return x", "import math"]
