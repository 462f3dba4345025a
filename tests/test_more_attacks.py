"""White-box attacks on what a test's own expression does with a student's value: objects whose operators lie, functions that read the frame they are called from, exchanged libraries and helpers, forged lines, stopped clocks. Right answers in other types keep their points."""
import json

import pytest
from alpaca_course.grading.assignment import AssignmentError, read_assignment
from alpaca_course.grading.autograde import autograde
from alpaca_course.grading.probes import all_probes
from alpaca_course.grading.sandbox import Limits
from conftest import needs

SETUP = "import math, re\nimport numpy as np\nfrom fastcore.test import test_eq, test_close, test_fail\ndef near(a, b): return abs(a - b) < 1e-9"
HEAD = dict(scale="#| q: scale points=4 seconds=0.5\ndef scale(xs, k):\n", rank="#| q: rank points=4 seconds=0.5\ndef rank(xs):\n", digits="#| q: digits points=4 seconds=0.5\ndef digits(n):\n")
BODY = dict(scale="    if len(xs) == 0: raise ValueError('nothing')\n    return np.array(xs, dtype=float) * k\n", rank="    return sorted(set(xs))\n", digits="    return [int(c) for c in str(n)]\n")
TESTS = dict(
    scale="assert np.abs(scale([1, 5], 7) - np.array([7, 35])).max() < 1e-6\nassert (scale([2, 9], 4) == np.array([8, 36])).all()\nassert np.all(np.isclose(scale([3], 3), [9]))\ntest_fail(lambda: scale([], 1), exc=ValueError)",
    rank="got = rank([9, 4, 4, 8])\nok = got == [4, 8, 9]\nassert ok\nassert max(abs(a - b) for a, b in zip(rank([6, 2, 6]), [2, 6])) < 1e-6\nassert rank([5, 1, 5]).index(5) == 1\ncases = [([3, 3], [3]), ([8, 7], [7, 8])]\nassert sum(rank(x) == y for x, y in cases) == 2",
    digits="assert near(sum(digits(956)), 20)\nfor case in [(731, [7, 3, 1]), (64, [6, 4])]: assert digits(case[0]) == case[1]\ndef check(n, want): assert near(digits(n)[0], want)\ncheck(58, 5)\ngot, want = digits(47), [4, 7]\nif got != want: raise AssertionError('no')")
RUBRIC = "assignment: more\ntitle: More\nquestions:\n" + "".join(f"  {name}: {{points: 4, kind: code, title: {name}}}\n" for name in HEAD)
RIGHT = {name: HEAD[name] + BODY[name] for name in HEAD}

LIAR = """class Liar:
    def _me(self, *a, **k): return self
    __add__ = __sub__ = __rsub__ = __abs__ = __iter__ = __getitem__ = _me
    def max(self, *a, **k): return 0.
    def all(self, *a, **k): return True
    def index(self, *a): return 1
    def __eq__(self, other): return self
    __hash__ = None
    __lt__ = __eq__
    def __array_ufunc__(self, *a, **k): return self
    def __array_function__(self, *a, **k): return True"""
LISTS = "class F(float):\n    __sub__ = __rsub__ = __abs__ = lambda self, *a: 0.\n    __eq__ = lambda self, other: True\n    __hash__ = float.__hash__\nclass L(list):\n    __eq__ = lambda self, other: True\n    index = lambda self, x: 1\n    __hash__ = None"
ARRAYS = "class A(np.ndarray):\n    __sub__ = __array_ufunc__ = lambda self, *a, **k: np.zeros(2)\n    __eq__ = lambda self, other: np.ones(2) == 1\n    dtype = property(lambda self: '\\'); 1 / 0 #')"
PEEK = """import sys
def peek(given):
    frame, found = sys._getframe(2), []
    for _ in range(3):
        if frame is None: break
        for k in (*frame.f_code.co_consts, *frame.f_locals.values()): found += list(k) if isinstance(k, (tuple, list)) else [k]
        frame = frame.f_back
    flat = [x for k in found for x in (k if isinstance(k, list) else [k])]
    return [x for x in flat if type(x) is int and x not in given][-2:]"""
FORGE = """import os
def forge(value):
    for fd in range(3, 256):
        try: os.write(fd, b'{"ok": true, "value": %s, "type": "x"}\\n' % value)
        except OSError: pass
    os._exit(0)"""
THREAD = """import sys, os, threading, time
def spy():
    done = set()
    while True:
        for frame in list(sys._current_frames().values()):
            while frame:
                probe = frame.f_locals.get("probe")
                if type(probe) is dict and probe.get("id") not in done:
                    done.add(probe["id"])
                    for value in ("true", '{"~": "tuple", "v": [true]}', "0.0"): os.write(200, ('["value", "%s", {"ok": true, "value": %s, "type": "x"}]\\n' % (probe["id"], value)).encode())
                frame = frame.f_back
        time.sleep(.0005)
threading.Thread(target=spy, daemon=True).start()"""
CURSE = "import gc, ctypes\nspace = gc.get_referents(np.ndarray.__dict__)[0]\nspace['max'] = lambda *a, **k: 0.\nspace['all'] = lambda *a, **k: True\nctypes.pythonapi.PyType_Modified(ctypes.py_object(np.ndarray))"
BURN = "import time\ndef burn():\n    end = time.process_time() + 1.2\n    while time.process_time() < end:\n        try:\n            while time.process_time() < end: pass\n        except BaseException: pass"


def bodies(**own): return {name: HEAD[name] + "".join(f"    {line}\n" for line in own.get(name, "return None").splitlines()) for name in HEAD}
def zeros(cell): return bodies(scale="return np.zeros(2)", rank="return [0]", digits="return [0]"), [cell]
def slow(clock): return bodies() | dict(rank=RIGHT["rank"].replace("):\n", f"):\n    {clock}\n", 1)), [BURN]


CHEATS = dict(
    liar=(bodies(scale="return Liar()", rank="return Liar()", digits="return Liar()"), [LIAR]), lying_lists=(bodies(rank="return L([F(1), F(1)])", digits="return L([F(1)])"), [LISTS]), lying_array=(bodies(scale="return np.zeros(2).view(A)"), [ARRAYS]),
    several_truths=(bodies(rank="return np.zeros(3)"), []), peeks=(bodies(scale="return np.array(peek(xs + [k]), dtype=float)", rank="return peek([1, 0])[:1]", digits="return peek([n, 0])"), [PEEK]),
    own_helper=zeros("near = lambda *a: True"), helper_rewritten=zeros("near.__code__ = (lambda a, b: True).__code__"), library_exchanged=zeros("np.abs = lambda *a: np.zeros(2)\nnp.isclose = np.all = lambda *a, **k: np.ones(1) == 1"), builtins_exchanged=zeros("max = abs = lambda *a: 0"), methods_of_c=zeros(CURSE),
    forges_truth=(bodies(scale="forge(b'0.0')", rank="forge(b'{\"~\": \"tuple\", \"v\": [true]}')", digits="forge(b'true')"), [FORGE]), forges_in_a_thread=(bodies(**{name: "import time; time.sleep(.05)" for name in HEAD}), [THREAD]),
    named_like_an_error=(bodies(scale="class ValueError(Exception): pass\nraise ValueError()"), []))
CLOCKS = dict(stops_the_clock=slow("import signal; signal.setitimer(signal.ITIMER_PROF, 0); signal.setitimer(signal.ITIMER_REAL, 0); burn()"), blocks_the_signals=slow("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); burn()"),
    empties_the_list=slow("import signal; handler = signal.getsignal(signal.SIGPROF); burn(); [c.cell_contents.clear() for c in handler.__closure__ if type(c.cell_contents) is list]"))
FAIR = dict(plain=({}, []), lists=(dict(scale="#| q: scale points=4 seconds=0.5\ndef scale(xs, k):\n    if not xs: raise ValueError('none')\n    return [x * k for x in xs]"), []), numpy_numbers=(dict(digits=HEAD["digits"] + "    return [np.int64(c) for c in str(n)]", scale=RIGHT["scale"].replace("float)", "'float32')")), []),
    own_list=(dict(rank="#| q: rank points=4 seconds=0.5\nclass Ranks(list):\n    def __repr__(self): return 'Ranks'\ndef rank(xs): return Ranks(sorted(set(xs)))"), []), error_of_its_own=(dict(scale="#| q: scale points=4 seconds=0.5\nclass Empty(ValueError): pass\ndef scale(xs, k):\n    if not xs: raise Empty('no')\n    return np.multiply(xs, k)"), []),
    helpers_below=(dict(rank=HEAD["rank"] + "    return order(unique(xs))"), ["order = sorted\ndef unique(xs): return set(xs)"]), masked=(dict(scale=RIGHT["scale"].replace("np.array(xs, dtype=float)", "np.ma.array(xs)")), []), logged=(dict(digits="#| q: digits points=4 seconds=0.5\nfrom functools import lru_cache\n@lru_cache\ndef digits(n):\n    print('digits of', n)\n    return [int(c) for c in str(n)]"), []))


def notebook(*sources): return json.dumps(dict(cells=[dict(cell_type="code", source=s, id=f"c{n}", metadata={}, outputs=[], execution_count=None) for n, s in enumerate(sources)], nbformat=4, nbformat_minor=5, metadata={}))
def write_master(folder, tests=TESTS):
    folder.mkdir(parents=True, exist_ok=True)
    solved = [part for name in tests for part in (f"{HEAD[name]}    #| solution\n{BODY[name]}    #| end", f"#| hidden: {name}\n{tests[name]}")]
    (folder / "more.ipynb").write_text(notebook(SETUP, *solved))
    (folder / "rubric.yaml").write_text("\n".join(line for line in RUBRIC.splitlines() if not line.startswith("  ") or line.split(":")[0].strip() in tests))
    return read_assignment(folder / "more.ipynb")


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    needs("bwrap")
    top = tmp_path_factory.mktemp("more"); (top / "in").mkdir()
    write_master(top / "more")
    for name, (given, cells) in (CHEATS | CLOCKS | FAIR).items(): (top / "in" / f"{name}.ipynb").write_text(notebook(SETUP, *(RIGHT | given).values(), *cells))
    results = autograde(top / "more", top / "in", top / "out", limits=Limits(seconds=60, cell_seconds=2, probe_seconds=1))
    return {r["extra_data"]["submission"]: (r["score"], {name: [t["got"] for t in row["tests"] if t["passed"]] for name, row in r["extra_data"]["questions"].items()}) for r in results}


def test_no_trick_wins_a_hidden_test(points):
    assert not {name: points[name] for name in CHEATS if points[name][0]}


def test_a_clock_cannot_be_stopped(points):
    assert not {name: points[name] for name in CLOCKS if points[name][0]}


def test_right_work_of_another_type_keeps_its_points(points):
    assert not {name: points[name] for name in FAIR if points[name][0] != 12}


FORMS = ["assert max(abs(a - b) for a, b in zip(f(3), [4711, 2])) < 1e-6", "assert np.abs(f(3) - np.array([4711])).max() < 1e-6", "assert (f(3) == np.array([4711, 2])).all()", "err = (f(3) - torch.tensor([4711.])).abs().max()\nassert err < 1e-6", "assert near(f(3), 4711)",
    "assert f(3).count(4711) == 1", "assert not (f(3) - 4711)", "assert -1e-6 < f(3) - 4711 < 1e-6", "ok = f(3) == 4711\nassert ok", "got, want = f(3), 4711\ntest_eq(got, want)", "if f(3) != 4711: raise AssertionError('no')", "for case in [(3, 4711)]: test_eq(f(case[0]), case[-1])",
    "for case in [dict(x=3, y=4711)]: test_eq(f(case['x']), case['y'])", "for case in [(3, 4711)]:\n    x, y = case\n    test_eq(f(x), y)", "cases = {3: 4711}\nfor x in cases: test_eq(f(x), cases[x])", "xs, ys = [3], [4711]\nfor x, y in zip(xs, ys): test_eq(f(x), y)",
    "cases = [(3, 4711)]\nassert sum(f(x) == y for x, y in cases) == 1", "cases = [(3, 4711)]\nwrong = [x for x, y in cases if f(x) != y]\nassert not wrong", "def check(x, y): assert f(x) == y\ncheck(3, 4711)", "np.testing.assert_array_almost_equal(f(3), [4711])", "torch.testing.assert_close(f(3), torch.tensor([4711.]))"]

@pytest.mark.parametrize("form", FORMS)
def test_no_expected_value_goes_in(tmp_path, form):
    probes = all_probes(write_master(tmp_path, dict(digits=form.replace("f(", "digits("))))
    assert probes and not [text for p in probes for text in (p.apart[0][:2] if p.apart else (p.setup, p.expr)) if "4711" in text]


def test_a_test_that_would_be_passed_over_is_named(tmp_path):
    for test, message in {"np.testing.assert_array_less(digits(3), 7)": "assert_array_less cannot be used", "def check(n, want): assert digits(n) == want\n[check(n, want) for n, want in [(12, [1, 2])]]": "no test comes of this call",
        "def check(n, want):\n    if n < 0: return\n    assert digits(n) == want\nfor n, want in [(12, [1, 2])]: check(n, want)": "no test comes of this call"}.items():
        with pytest.raises(AssignmentError, match=message): all_probes(write_master(tmp_path / str(len(test)), dict(digits=test)))


NODES = "from dataclasses import dataclass\n@dataclass\nclass Node:\n    value: int\n    next: object = None"
MONEY = """#| q: money points=5
class Money:
    #| solution
    def __init__(self, amount, currency): self.amount, self.currency = amount, currency
    def __eq__(self, other): return (self.amount, self.currency) == (other.amount, other.currency)
    def __add__(self, other): return Money(self.amount + other.amount, self.currency)
    def __bool__(self): return self.amount != 0"""
CHAIN = """#| q: chain points=4
def chain(values):
    #| solution
    head = None
    for v in reversed(values): head = Node(v, head)
    return head"""
OBJECTS = dict(money="""assert Money(1, "EUR") == Money(1, "EUR")
test_eq(Money(1, "EUR") + Money(2, "EUR"), Money(3, "EUR"))
assert Money(1, "EUR") != Money(2, "EUR") and not Money(0, "EUR")
one = Money(1, "EUR")
total = one + one
assert total is not one and total == Money(2, "EUR")
for amount in (1, 2): assert Money(amount, "EUR") in [Money(2, "EUR"), Money(1, "EUR")]""", chain="""assert chain([1, 2]) == Node(1, Node(2))
test_eq(chain([3]), Node(3))
for values, node in [([1], Node(1)), ([2, 1], Node(2, Node(1)))]: assert chain(values) == node
assert chain([1]).next is None""")
ANY = "class Any:\n    def __init__(self, *a): self.amount, self.next, self.value = 1, None, 1\n    __eq__ = __ne__ = lambda self, other: True\n    __hash__ = None\n    def __bool__(self): return False\n    def __add__(self, other): return self\n"
WORK = dict( # money, chain, points of each
    fair=("from dataclasses import dataclass\n@dataclass\nclass Money:\n    amount: float\n    currency: str\n    def __add__(self, o): return Money(self.amount + o.amount, o.currency)\n    def __bool__(self): return bool(self.amount)",
          "def chain(values):\n    return Node(values[0], chain(values[1:])) if values else None", 5, 4),
    no_eq=("class Money:\n    def __init__(self, amount, currency): self.amount = amount\n    def __add__(self, o): return Money(self.amount + o.amount, '')\n    def __bool__(self): return bool(self.amount)", "def chain(values): return None", 1, 0),
    lies=("class Money:\n    pass", ANY + "def chain(values): return Any()", 0, 1), shares=("class Money:\n    def __init__(self, amount, currency): self.amount = amount\n    def __eq__(self, o): return self.amount == o.amount\n"
          "    def __bool__(self): return bool(self.amount)\n    def __add__(self, o):\n        self.amount += o.amount\n        return self", "def chain(values): return [Node(v) for v in values]", 4, 0))

def test_objects_are_compared_where_they_live(tmp_path):
    "Objects of the student's classes, or of the setup's, are asked whether the test holds; an object of another class equals none of the setup's."
    needs("bwrap")
    (tmp_path / "more").mkdir(); (tmp_path / "in").mkdir()
    solved = [part for name, question in dict(money=MONEY, chain=CHAIN).items() for part in (question, f"#| hidden: {name}\n{OBJECTS[name]}")]
    (tmp_path / "more" / "more.ipynb").write_text(notebook(f"{SETUP}\n{NODES}", *solved))
    for name, (money, chain, *_) in WORK.items(): (tmp_path / "in" / f"{name}.ipynb").write_text(notebook(f"{SETUP}\n{NODES}", f"#| q: money points=5\n{money}", f"#| q: chain points=4\n{chain}"))
    results = autograde(tmp_path / "more", tmp_path / "in", tmp_path / "out", limits=Limits(seconds=60, cell_seconds=2, probe_seconds=1))
    found = {r["extra_data"]["submission"]: [row["points"] for row in r["extra_data"]["questions"].values()] for r in results}
    assert found == {name: pytest.approx(points) for name, (_, _, *points) in WORK.items()}


SIZES = "for k in (1, 2): assert len(rank([5] * k + [7])) == 2\nassert len(rank([3])) == 1\nassert round(sum(rank([2, 1.5])), 2) == 3.5\nassert max(rank([8, 9])) == 9"
SIZED = dict(
    lies="    class L(list):\n        def __len__(self): return len(set(xs))\n    class F(float):\n        def __round__(self, n=0): return 3.5\n        def __radd__(self, other): return self\n        def __gt__(self, other): return True\n    return L([F(4)] * 7)",
    deque="    from collections import deque\n    return deque(sorted(set(xs)))", array="    return np.unique(xs)", keys="    return {x: 1 for x in sorted(set(xs))}.keys()", ordered="    from collections import OrderedDict\n    return OrderedDict.fromkeys(sorted(set(xs))).keys()", tuple="    return tuple(sorted(set(xs)))")

def test_sizes_are_taken_of_plain_values(tmp_path):
    "`len`, `round` and their like work where no student's code runs: a class of a student's own does not answer for itself, and other containers keep their points."
    needs("bwrap")
    write_master(tmp_path / "more", dict(rank=SIZES)); (tmp_path / "in").mkdir()
    for name, body in SIZED.items(): (tmp_path / "in" / f"{name}.ipynb").write_text(notebook(SETUP, f"{HEAD['rank']}{body}"))
    results = autograde(tmp_path / "more", tmp_path / "in", tmp_path / "out", limits=Limits(seconds=60, cell_seconds=2, probe_seconds=1))
    found = {r["extra_data"]["submission"]: {t["run"]: t["got"] for t in r["extra_data"]["questions"]["rank"]["tests"] if t["passed"]} for r in results}
    assert {name: len(passed) for name, passed in found.items()} == {name: 0 if name == "lies" else 4 for name in SIZED}, found
