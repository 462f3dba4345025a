"""Measurements run where no student's code ran: a small assignment whose students replace the measuring function, the builtins it uses, or the data's type."""
import json

from alpaca_course.grading.autograde import autograde
from alpaca_course.grading.sandbox import Limits
from conftest import needs

QUESTION = "#| q: guess points=2\ndef guess(n):\n    'Numbers near n.'\n"
TESTS = """#| test: guess
def taken(guess): return [guess(n) for n in range(20)]
def measured_share(data): return sum(abs(x - n) < 2 for n, x in enumerate(data)) / len(data)
assert measured_share(taken(guess)) >= .9
#| hidden
assert measured_share([guess(n) for n in range(7)]) >= .9
"""
RUBRIC = "assignment: near\ntitle: Near\nquestions:\n  guess: {points: 2, kind: code, title: Near}\n"
FAIR = {"fair": "    return n + 1", "fair_another": "    return n - .5"}
CHEATS = {"nothing": "    return None", "far": "    return n + 50",
    "replaces_the_function": "    return 99\ndef measured_share(data): return 1.",
    "replaces_it_when_called": "    import sys\n    frame = sys._getframe(1)\n    while frame:\n        frame.f_globals['measured_share'] = lambda data: 1.\n        frame = frame.f_back\n    return 99",
    "replaces_builtins": "    return 99\nimport builtins\nbuiltins.sum = lambda xs: 100\nbuiltins.abs = lambda x: 0",
    "a_number_that_lies": "    return Near(99)\nclass Near(float):\n    def __sub__(self, other): return 0\n    __rsub__ = __sub__",
    "an_object": "    return Near()\nclass Near:\n    def __rsub__(self, other): return 0\n    def __sub__(self, other): return 0",
    "code_in_a_text": "    return '0) or __import__(\"os\")._exit(0) #'",
    "a_list_that_lies": "    return n\nclass All(list):\n    def __len__(self): return 1\ndef taken(f): return All([1] * 100)\nguess = type('G', (), {'__call__': lambda self, n: All([n])})()"}

def cell(kind, source, id): return dict(cell_type=kind, source=source, id=id, metadata={}) | (dict(outputs=[], execution_count=None) if kind == "code" else {})
def notebook(*cells): return json.dumps(dict(cells=[cell("code", s, f"c{n}") for n, s in enumerate(cells)], nbformat=4, nbformat_minor=5, metadata={}))

def test_a_measurement_counts_only_where_no_students_code_ran(tmp_path):
    needs("bwrap")
    (tmp_path / "near").mkdir(); (tmp_path / "in").mkdir()
    (tmp_path / "near/near.ipynb").write_text(notebook(QUESTION + "    #| solution\n    return n\n    #| end", TESTS))
    (tmp_path / "near/rubric.yaml").write_text(RUBRIC)
    for name, body in (FAIR | CHEATS).items(): (tmp_path / "in" / f"{name}.ipynb").write_text(notebook(QUESTION + body, TESTS.partition("#| hidden")[0]))
    results = autograde(tmp_path / "near", tmp_path / "in", tmp_path / "out", limits=Limits(seconds=60, cell_seconds=2, probe_seconds=1))
    points = {r["extra_data"]["submission"]: r["extra_data"]["questions"]["guess"]["points"] for r in results}
    assert points == {name: 2. for name in FAIR} | {name: 0. for name in CHEATS}
