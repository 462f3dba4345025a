"""Probes beyond the lesson: every form of test that authors write, objects that equal everything, errors that are no answers, values that lie."""
import json

import pytest

from alpaca_course.grading.assignment import read_assignment
from alpaca_course.grading.markers import AssignmentError
from alpaca_course.grading.probes import Probe, all_probes, library_flags, library_probe, verdict, weak_tests
from alpaca_course.grading.release import valued
from alpaca_course.grading.values import as_error, as_value

MEAN = '''#| q: f points=6
def f(xs):
    #| solution
    if not xs: raise ValueError("empty list")
    return sum(xs) / len(xs)
    #| end'''
UNIQUE = '''#| q: f points=6
def f(xs):
    #| solution
    return sorted(set(xs))'''
STACK = '''#| q: Stack points=6
class Stack:
    #| solution
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x); return self
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)'''.replace('q: Stack', 'q: f')
TICK = '''#| q: f points=6
#| solution
count = 0
def f():
    global count
    count += 1
    return count'''
SORTS = '''#| q: f points=6
def f(xs):
    #| solution
    xs.sort()'''
GREETS = '''#| q: f points=6
def f(name):
    #| solution
    return f"Hello {name}"'''
EVIL = '''
class Evil:
    "Equal to everything, below and above everything, true, empty and full."
    def __eq__(self, other): return True
    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __sub__(self, other): return 0.
    __rsub__ = __add__ = __radd__ = __mul__ = __sub__
    def __abs__(self): return 0.
    def __float__(self): return 0.
    def __round__(self, n=0): return self
    def __iter__(self): return iter([self])
    def __len__(self): return 1
    def __getitem__(self, i): return self
    def __getattr__(self, name): return lambda *args, **kwargs: self
    def __call__(self, *args): return self
def f(*args): return Evil()
'''

def master(folder, question, tests):
    sources = ['import math\nimport numpy as np\nfrom fastcore.test import *', question, '#| test: f\n' + tests]
    cells = [dict(cell_type='code', id=f'{i:08x}', metadata={}, source=source) for i, source in enumerate(sources)]
    (folder/'a.ipynb').write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)))
    return read_assignment(folder)

def names_after(*sources):
    space = {'__name__': '__main__'}
    for source in sources: exec(compile(source, '<cell>', 'exec'), space)
    return space

def judged(assignment, student=None):
    "(probe, verdict) of a student's cell, or of the reference itself."
    for probe in all_probes(assignment):
        cells = ['import math\nimport numpy as np\nfrom fastcore.test import *', assignment.questions[0].solution]
        reference = names_after(*cells)
        mine = names_after(cells[0], student) if student else names_after(*cells)
        expected = valued(probe.expected_setup, probe.expected, reference) if probe.expected is not None else None
        yield probe, verdict(probe, valued(probe.setup, probe.expr, mine), expected)

FORMS = [ # (question, test cell, number of probes)
    (MEAN, 'test_eq(f([1, 2, 3]), 2)', 1), (MEAN, 'test_eq(2, f([1, 2, 3]))', 1), (MEAN, 'assert f([1, 2, 3]) == 2, "wrong"', 1), (MEAN, 'assert 2 == f([1, 2, 3])', 1),
    (MEAN, 'test_close(f([1, 2]), 1.5)', 1), (MEAN, 'test_close(f([.1, .2]), .15, eps=1e-9)', 1), (MEAN, 'assert abs(f([.1, .2]) - .15) < 1e-9', 1), (MEAN, 'assert 10**-9 > abs(.15 - f([.1, .2]))', 1),
    (MEAN, 'assert math.isclose(f([.1, .2]), .15)', 1), (MEAN, 'assert np.isclose(f([.1, .2]), .15)', 1), (MEAN, 'np.testing.assert_allclose(f([.1, .2]), .15)', 1), (MEAN, 'import pytest\nassert f([.1, .2]) == pytest.approx(.15)', 1),
    (MEAN, 'test_fail(lambda: f([]), contains="empty")', 1), (MEAN, 'test_fail(f, args=([],), exc=ValueError)', 1), (MEAN, 'with expect_fail(ValueError, contains="empty"): f([])', 1),
    (MEAN, 'import pytest\nwith pytest.raises(ValueError, match="emp"):\n    f([])', 1), (MEAN, 'try:\n    f([])\n    assert False\nexcept ValueError: pass', 1), (MEAN, 'for bad in ([], ()): test_fail(lambda: f(bad), contains="empty")', 1),
    (MEAN, 'assert 1 < f([1, 2]) < 2', 1), (MEAN, 'assert isinstance(f([1]), float)', 1), (MEAN, 'assert f([4]) > 3\nassert 3 < f([4])', 2), (MEAN, 'assert f([4]) in (4, 5)', 1), (MEAN, 'assert isinstance(f([1]), float) and f([3]) == 3', 1),
    (MEAN, 'for v, w in [([1], 1), ([2, 4], 3)]:\n    test_eq(f(v), w)', 1), (MEAN, 'cases = [([1], 1), ([2, 4], 3)]\nfor i, (v, w) in enumerate(cases):\n    want = w * 1\n    test_eq(f(v), want)\n    assert f(v) == want', 2),
    (MEAN, 'assert all(f([i, i]) == i for i in range(5))', 1), (MEAN, 'cases = {(1,): 1, (2, 4): 3}\nassert all(f(v) == w for v, w in cases.items())', 1), (MEAN, 'for v, w in zip([[1], [2]], [1, 2]): assert f(v) == w', 1),
    (MEAN, 'def check(g):\n    for v, w in [([1], 1)]: test_close(g(v), w)\n    test_eq(g([5]), 5)\ncheck(f)', 2), (MEAN, 'def test_f():\n    assert f([1]) == 1', 1), (MEAN, 'x = 0\nfor v in [[1], [2]]:\n    x += f(v)\ntest_eq(x, 3)', 1),
    (MEAN, 'import random\nrng = random.Random(0)\ndata = [rng.random() for _ in range(9)]\ntest_close(f(data), sum(data) / 9)', 1), (MEAN, 'test_eq({k: f(v) for k, v in [("a", [1]), ("b", [2])]}, {"a": 1, "b": 2})', 1),
    (MEAN, '%matplotlib inline\ntest_eq(f([1]), 1)\nprint(f([2]))\nf([3])', 1), (MEAN, 'test_eq(f([1, 1]), f([2, 0]))', 1), (MEAN, 'i = 1\nwhile i < 4:\n    test_eq(f([i]), i)\n    i += 1', 1),
    (UNIQUE, 'out = f([3, 1, 3])\nassert len(out) == 2 and out[0] == 1\nassert all(a < b for a, b in zip(out, out[1:]))\nassert set(out) <= {1, 3, 4}', 3), (UNIQUE, 'for v in f([3, 1]): assert v in (1, 3)', 1),
    (UNIQUE, 'test_eq(f([2, 1]), (1, 2))', 1), (UNIQUE, 'assert np.array_equal(f([2, 1]), [1, 2])', 1), (UNIQUE, 'import io, contextlib\nbuf = io.StringIO()\nwith contextlib.redirect_stdout(buf): print(f([1]))\nassert buf.getvalue() == "[1]\\n"', 1),
    (STACK, 's = Stack()\ns.push(1); s.push(2)\ntest_eq(len(s), 2)\ntest_eq(s.pop(), 2)\ntest_eq(s.pop(), 1)\nassert len(s) == 0\ntest_fail(s.pop, contains="empty")', 5), (STACK, 'assert Stack().push(3).pop() == 3', 1),
    (TICK, 'test_eq(f(), 1)\ntest_eq(f(), 2)\nassert f() == 3', 3), (SORTS, 'ys = [3, 1, 2]\ntest_is(f(ys), None)\ntest_eq(ys, [1, 2, 3])', 2),
    (GREETS, 'assert f("Al").startswith("Hello")\nassert "Al" in f("Al")\nassert f("Al").lower() == "hello al"', 3)]

@pytest.mark.parametrize('question,tests,n', FORMS, ids=[tests.splitlines()[0][:50] for _, tests, _ in FORMS])
def test_forms_of_tests(tmp_path, question, tests, n):
    "The reference passes each form; an object that equals everything passes none; expected values stay outside."
    assignment = master(tmp_path, question, tests)
    found = list(judged(assignment))
    assert len(found) == n and all(v.passed for _, v in found), [(p.shown, v.why) for p, v in found]
    assert sum(p.points for p, _ in found) == pytest.approx(6)
    student = EVIL.replace('def f', 'def Stack') if 'class Stack' in question else EVIL
    gained = [p.shown for p, v in judged(assignment, student) if v.passed and 'steer' not in ' '.join(p.notes) and 'len(s)' not in p.shown]
    assert not gained

@pytest.mark.parametrize('tests', ['cases = [(1, 4711), (2, 4712)]\nfor a, b in cases: test_eq(f([a]), b)', 'for a, (b, c) in [(1, (4711, 2))]: test_eq(f([a]), b)', 'want = 4711\ntest_eq(f([1]), want)',
    'assert all(f([a]) == b for a, b in [(1, 4711)])', 'test_eq([f([a]) for a, b in [(1, 4711)]], [4711])', 'table = {1: 4711}\nfor k, v in table.items(): assert f([k]) == v', 'for a, b in zip([1], [4711]):\n    want = b + 0\n    test_eq(f([a]), want)',
    'assert abs(f([1]) - 4711) < 1', 'assert f([1]) > 4711', 'assert f([1]) == 4711 and f([2]) > 1', 'assert f([1]) in (4711, 2)', 'def check(g):\n    for a, b in [(1, 4711)]: test_eq(g([a]), b)\ncheck(f)',
    'def check(a, b): test_eq(f([a]), b)\nfor a, b in [(1, 4711)]: check(a, b)', 'def check(a, want):\n    got = f([a])\n    assert got == want, f"{a}: {got}"\ncases = [(1, 4711)]\nfor case in cases: check(*case)'])
def test_expected_values_never_go_in(tmp_path, tests):
    for probe in all_probes(master(tmp_path, MEAN, tests)): assert '4711' not in probe.setup + probe.expr and ('4711' in (probe.expected or '') + probe.expected_setup + probe.rest)

def eq(how='test_eq', **more): return Probe('p', 'f', 'eq', '', 'f()', 'e', how=how, **more)
def value(v): return dict(ok=True, value=v)

@pytest.mark.parametrize('got,expected,loose,strict', [(1, 1, 1, 1), (1, True, 1, 1), (1, 1., 1, 1), (1, '1', 0, 0), (None, 0, 0, 0), ([1], {'~': 'tuple', 'v': [1]}, 1, 0), ([1, None], [1], 0, 0), ({'~': 'iter', 'v': [1]}, [1], 1, 0),
    ({'~': 'array', 'v': [1, 2]}, [1, 2], 1, 1), ({'~': 'set', 'v': [2, 1]}, {'~': 'set', 'v': [1, 2]}, 1, 1), ({'~': 'dict', 'v': [['a', 1], ['b', 2]]}, {'~': 'dict', 'v': [['b', 2], ['a', 1]]}, 1, 1),
    ({'~': 'dict', 'v': [['a', [1]]]}, {'~': 'dict', 'v': [['a', {'~': 'tuple', 'v': [1]}]]}, 0, 0), ({'~': 'float', 'v': 'nan'}, {'~': 'float', 'v': 'nan'}, 1, 1), ({'~': 'float', 'v': 'nan'}, 0., 0, 0),
    ({'~': 'repr', 'type': 'Evil', 'v': '1'}, 1, 0, 0), ([{'~': 'repr', 'type': 'Evil', 'v': '1'}], [1], 0, 0), ({'~': 'what'}, 1, 0, 0), ({'a': 1}, 1, 0, 0), ({'~': 'int', 'v': hex(10**700)}, {'~': 'int', 'v': hex(10**700)}, 1, 1),
    ({'~': 'bytes', 'v': 'ff'}, {'~': 'bytes', 'v': 'ff'}, 1, 1), ({'~': 'dict', 'v': [[[1], 2]]}, 1, 0, 0), ({'~': 'set', 'v': [[1]]}, 1, 0, 0), ('\ud800', '\ud800', 1, 1)])
def test_equal_values(got, expected, loose, strict):
    assert verdict(eq(), value(got), value(expected)).passed == bool(loose)
    assert verdict(eq('=='), value(got), value(expected)).passed == bool(strict)

def test_values_that_lie_are_no_answers():
    for how in ('test_ne', '!=', '<', '>', 'in', 'close', 'is', 'relative 1e-5', 'has in'):
        for got in ({'~': 'repr', 'type': 'Evil', 'v': '1'}, [{'~': 'repr', 'type': 'x', 'v': ''}], {'~': 'nonsense'}, {}): assert not verdict(eq(how), value(got), value(5)).passed
    deep = value(1)
    for _ in range(5000): deep = dict(ok=True, value=[deep['value']])
    assert not verdict(eq(), deep, value(5)).passed
    assert not verdict(Probe('p', 'f', 'assert', '', 'f()', how='true'), value({'~': 'repr', 'type': 'Evil', 'v': 'True'})).passed
    for got in (None, [], 'ok', {}, {'ok': False}): assert not verdict(eq(), got, value(5)).passed
    with pytest.raises(AssignmentError, match='the reference solution gave no value'): verdict(eq(), value(1), dict(ok=False, error='ZeroDivisionError'))

def test_errors_that_are_no_answers():
    any_error = Probe('p', 'f', 'fail', '', 'f()')
    for error in ('NotImplementedError', 'NameError', 'timeout', 'memory', 'crash', 'unprintable'): assert not verdict(any_error, dict(ok=False, error=error, message='')).passed
    assert verdict(any_error, dict(ok=False, error='ValueError', message='')).passed and not verdict(any_error, value(1)).passed
    named = Probe('p', 'f', 'fail', '', 'f()', how='LookupError', contains='gone')
    assert verdict(named, dict(ok=False, error='KeyError', message='it is gone')).passed
    assert not verdict(named, dict(ok=False, error='ValueError', message='it is gone')).passed and not verdict(named, dict(ok=False, error='KeyError', message='here')).passed

@pytest.mark.parametrize('tests,message', [('test_eq(f([1]))', 'line 2: test_eq takes two values'), ('test_close(f([1]), 1, eps=tiny)', 'the eps|must be a literal'), ('if True\n    pass', 'line 2: not Python')])
def test_unusable_tests_have_an_address(tmp_path, tests, message):
    with pytest.raises(AssignmentError, match=message) as error: all_probes(master(tmp_path, MEAN, tests))
    assert 'a.ipynb, cell 3' in str(error.value)

def test_weak_tests_are_named(tmp_path):
    weak = '\n'.join(weak_tests(master(tmp_path, MEAN, 'assert (np.array(f([1])) > 0).all()\ntest_ne(f([1]), 2)\ntest_fail(lambda: f([]))\ntest_eq(f([3]), 3)\nassert f(5) == 5')))
    for why in ('only whether it is true', 'every wrong answer but one', 'any error will do', 'one of the inputs', 'can be seen'): assert why in weak

def test_hidden_parts_are_hidden_probes(tmp_path):
    probes = all_probes(master(tmp_path, MEAN, 'for v in ([1], [2]):\n    assert f(v) > 0\n    #| hidden\n    assert f(v) < 3\n    #| end\ntest_eq(f([1]), 1)'))
    assert [p.visible for p in probes] == [True, False, True]


def test_a_test_of_the_argument_sees_the_call(tmp_path):
    "Whether `f` leaves its argument alone: the untouched copy and a function that changes it do not pass; one that leaves it alone does, whatever it returns."
    for test in ("test_eq(xs, before)", "assert xs == before", "test_eq(before, xs)", "assert len(xs) == 3 and xs[0] == 3"):
        a = master(tmp_path, UNIQUE, "xs = [3, 1, 2]\nbefore = list(xs)\nys = f(xs)\n" + test)
        passed = {name: [v.passed for _, v in judged(a, body)] for name, body in dict(solved=None, stub="def f(xs): raise NotImplementedError", changes="def f(xs): xs.sort(); return xs", leaves="def f(xs): return None").items()}
        assert passed == dict(solved=[True], stub=[False], changes=[False], leaves=[True]), (test, passed)


def outcomes(folder, question, tests, **students):
    "{name: [passed, ...]} of cells, the reference's as 'solved'; errors that are no Exception count as answers too, as in the sandbox."
    assignment, cells = master(folder, question, tests), dict(solved=None) | students
    def here(setup, expr, space):
        space = dict(space)
        try:
            exec(compile(setup, '<setup>', 'exec'), space)
            return as_value(eval(compile(expr, '<probe>', 'eval'), space))
        except BaseException as error: return as_error(error)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), 'valued', here)
        return {name: [v.passed for _, v in judged(assignment, cell)] for name, cell in cells.items()}

def test_exact_numbers_compare_like_numbers(tmp_path):
    "Fractions, decimals and complex numbers that equal the expected number pass as in a notebook; a wrong one and a subclass with an opinion of its own do not."
    tests = 'test_eq(f([1, 2]), 1.5)\nassert f([1, 2]) == 1.5\ntest_close(f([1, 2]), 1.5)\nassert math.isclose(f([.5, .25]), .375)\nassert 1 < f([1, 2]) < 2\ntest_eq({"a": [f([3])]}, {"a": [3]})'
    made = 'from fractions import Fraction\nfrom decimal import Decimal\n'
    found = outcomes(tmp_path, MEAN, tests, fraction=made + 'def f(xs): return sum(map(Fraction, xs)) / len(xs)', decimal=made + 'def f(xs): return sum(map(Decimal, xs)) / len(xs)',
        wrong=made + 'def f(xs): return Fraction(13, 7)', own=made + 'class F(Fraction):\n    def __eq__(self, other): return True\n    __hash__ = Fraction.__hash__\ndef f(xs): return F(3, 2)')
    assert found == dict(solved=[True] * 6, fraction=[True] * 6, decimal=[True] * 6, wrong=[False] * 4 + [True, False], own=[False] * 6)

@pytest.mark.parametrize('encoded', [{'~': 'fraction', 'v': '1/0'}, {'~': 'fraction', 'v': '1e999999999'}, {'~': 'fraction', 'v': '9' * 5000}, {'~': 'decimal', 'v': '1E+999999999'}, {'~': 'decimal', 'v': 'NaN'}, {'~': 'decimal', 'v': 'sNaN'},
    {'~': 'decimal', 'v': 1}, {'~': 'complex', 'v': ['1', 2]}, {'~': 'complex', 'v': [1]}, {'~': 'complex', 'v': [10 ** 400, 0]}, {'~': 'date', 'v': '2026-13-01'}, {'~': 'date', 'v': '2026-W01-1'}, {'~': 'date'}])
def test_exact_numbers_are_read_with_care(encoded):
    for how in ('test_eq', 'close', 'relative 1e-5', '<', 'in', '!='): assert not verdict(eq(how), value(encoded), value(5)).passed
    assert 'cannot be compared' in verdict(eq(), value(encoded), value(5)).why

def test_one_object_or_two(tmp_path):
    "Whether a result is a new list is asked where both lists are, in loops and in longer assertions too."
    tests = 'xs = [2, 1]\nys = f(xs)\nassert ys is not xs\nassert ys is not xs and len(ys) == 2\nassert all(f(z) is not z for z in [[1], [2]])\nfor z in ([1], [2]): assert f(z) is not z\ntest_is(f(xs) is xs, False)'
    assert outcomes(tmp_path, UNIQUE, tests, changes='def f(xs): xs.sort(); return xs', stub='def f(xs): raise NotImplementedError') == dict(solved=[True] * 5, changes=[False] * 5, stub=[False] * 5)
    for literal in ('None', 'True', '-1', '"x"'): assert [p.how for p in all_probes(master(tmp_path, UNIQUE, f'assert f([1]) is not {literal}'))] == ['is not']

def test_only_exceptions_are_errors(tmp_path):
    "test_fail catches Exception: what goes through it in a notebook passes no test, whatever its name; a class of one's own is what its parents are."
    tests = 'test_fail(lambda: f([]), contains="empty")\ntest_fail(lambda: f([]), exc=ValueError)\nfor x in ([], ()): test_fail(lambda: f(x), contains="empty")\nwith expect_fail(ValueError): f([])\nfor x in ([], ()): test_fail(lambda: f(x), exc=(ValueError, LookupError))'
    raising = 'def f(xs):\n    if not xs: raise {}("empty")\n    return sum(xs) / len(xs)'
    found = outcomes(tmp_path, MEAN, tests, ends=raising.format('SystemExit'), key=raising.format('KeyboardInterrupt'), generator=raising.format('GeneratorExit'), base='class ValueError(BaseException): pass\n' + raising.format('ValueError'),
        exits='class ValueError(SystemExit): pass\n' + raising.format('ValueError'), own='class EmptyError(ValueError): pass\n' + raising.format('EmptyError'), other='class ValueErr(TypeError): pass\n' + raising.format('ValueErr'))
    assert found == dict(solved=[True] * 5, own=[True] * 5, other=[True, False, True, False, False]) | {name: [False] * 5 for name in ('ends', 'key', 'generator', 'base', 'exits')}

def test_no_false_alarms(tmp_path):
    "What a try, an if or a loop over the student's call binds is the student's; a value that the student's function made carries no expected value."
    good = ['try:\n    f([])\n    kind = "none"\nexcept Exception as e: kind = type(e).__name__\nassert kind == "ValueError"', 'n = 0\nfor x in f([5, 6, 5]): n += 1\ntest_eq(n, 2)', 'm = 0\nif f([5, 6, 5]): m = 2\ntest_eq(2, m)', 'try: f([5, [6]])\nexcept TypeError: pass\nelse: assert False, "no error"',
        'test_eq(sum(n for _, n in zip("ab", f([1, 2]))), 3)', 'test_eq(sum(n for i, n in enumerate(f([1, 2]))), 3)', 'test_eq([n for n, in sorted(zip(f([1, 2])))], [1, 2])']
    for test in good:
        question = MEAN if 'kind' in test else UNIQUE
        assert [p.notes for p in all_probes(master(tmp_path, question, test))] == [()], test
        assert outcomes(tmp_path, question, test, stub='def f(xs): raise NotImplementedError') == dict(solved=[True], stub=[False]), test
    for test in ('test_eq(sum(f([x]) for x, y in load()), 3)', 'for x, y in load(): test_eq(f([x]), 1)', 'assert 1 == 1'): assert any(p.notes for p in all_probes(master(tmp_path, UNIQUE, 'def load(): return [(1, 2)]\n' + test)))

def test_objects_that_share_what_they_should_not(tmp_path):
    "What the cell does to another object of the class is done; that it fails costs nothing, and what may be slow or draws random numbers is left out."
    tests = 'a, b = Stack(), Stack()\na.push(1)\nb.push(2); b.push(3)\ntest_eq(a.pop(), 1)\ntest_eq(len(b), 2)'
    shared = STACK.replace('class Stack:', 'class Stack:\n    items = []').replace('def __init__(self): self.items = []', 'pass')
    assert outcomes(tmp_path, STACK, tests, shared=shared, fails=STACK.replace('append(x)', 'append(x if x < 2 else 1 / 0)')) == dict(solved=[True, True], shared=[False, False], fails=[True, False])
    assert 'b.push' not in all_probes(master(tmp_path, STACK.replace('points=6', 'points=6 seconds=20'), tests))[0].setup
    assert 'b.push' not in all_probes(master(tmp_path, STACK, tests.replace('b.push(2)', 'b.push(random.random())').replace('; b.push(3)', '')))[0].setup

def test_a_library_function_of_the_students_own(tmp_path):
    "A cell's function in numpy's place is named where a test uses it, and not elsewhere; nothing is said of a clean notebook."
    probes = all_probes(master(tmp_path, MEAN, 'assert np.isfinite(f([1, 2]))'))
    space = names_after('import math\nimport numpy as np', MEAN, 'def mine(x): return True')
    def asked(probes): return library_flags(as_value(eval(library_probe(probes)['expr'], space)))
    assert asked(probes) == []
    import numpy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy, 'isfinite', space['mine'])
        assert asked(probes) == ['changes a library that the tests use: numpy: isfinite'] and asked(all_probes(master(tmp_path, MEAN, 'test_eq(f([1]), 1)'))) == []
    for answer in (None, {}, dict(ok=True, value='x'), dict(ok=True, value=[{}]), dict(ok=False, error='crash')): assert library_flags(answer) == []

@pytest.mark.parametrize('test', ['test_eq(text, "abc")', 'test_eq("abc", text)', 'test_eq(want, text)', 'assert len(text) == 3 and text[0] == "a"', 'test_eq(want, open(path).read())'])
def test_a_file_that_the_function_wrote(tmp_path, test):
    "A test of a file looks at the student's file, whichever side it stands on, and is not called weak for that."
    writes = "#| q: f points=6\ndef f(path):\n    #| solution\n    with open(path, 'w') as file: file.write('abc')"
    tests = f'path, want = {str(tmp_path/"made.txt")!r}, "ab" + "c"\nf(path)\ntext = open(path).read()\n{test}'
    found = outcomes(tmp_path, writes, tests, stub='def f(path): raise NotImplementedError', other=writes.replace('abc', 'xyz9'), nothing='import os\ndef f(path): os.remove(path)')
    assert found == dict(solved=[True], stub=[False], other=[False], nothing=[False])
    assert not any('does not mention' in note for p in all_probes(master(tmp_path, writes, tests)) for note in p.notes)

def passing(folder, question, tests, **students):
    "As `outcomes`, a pass or not for all probes together, so that a solution has to pass all and a bug to fail one."
    return {name: all(found) for name, found in outcomes(folder, question, tests, **students).items()}

EACH = """#| q: f points=6
def f(items, act):
    #| solution
    for x in items: act(x)"""

@pytest.mark.parametrize('tests', ['seen = []\ndef note(x): seen.append(x)\nf([1, 2], note)\ntest_eq(seen, [1, 2])', 'total = 0\ndef add(x):\n    global total\n    total += x\nf([1, 2], add)\nassert total == 3',
    'seen = []\ndef note(x): seen.append(x)\ndef both(x): note(x); note(x)\nassert f([1], both) is None\nassert len(seen) == 2', 'seen = {}\nnote = lambda x: seen.setdefault(x, True)\nf([1], note)\nassert seen == {1: True}',
    'class Spy:\n    calls = 0\n    def __call__(self, x): self.calls += 1\nspy = Spy()\nf([1, 2], spy)\ntest_eq(spy.calls, 2)', 'old = []\nalias = old\nf([1], alias.append)\nassert old == [1]'])
def test_what_functions_of_the_tests_change_is_seen(tmp_path, tests):
    "A function of the tests, handed to the student's code, notes its calls; one that is never called notes nothing."
    assert passing(tmp_path, EACH, tests, never='def f(items, act): return None', stub='def f(items, act): raise NotImplementedError') == dict(solved=True, never=False, stub=False)

def test_calls_of_a_decorated_function_of_the_tests(tmp_path):
    memo = '#| q: f points=6\ndef f(g):\n    #| solution\n    kept = {}\n    def inner(x):\n        if x not in kept: kept[x] = g(x)\n        return kept[x]\n    return inner'
    tests = 'calls = []\n@f\ndef square(x):\n    calls.append(x)\n    return x * x\ntest_eq(square(3), 9)\ntest_eq([square(3), square(4)], [9, 16])\ntest_eq(calls, [3, 4])'
    assert outcomes(tmp_path, memo, tests, plain='def f(g): return g') == dict(solved=[True] * 3, plain=[True, True, False])

QUEUE = """#| q: f points=6
#| solution
class Queue:
    def __init__(self, items=()): self.items = list(items)
    def put(self, x): self.items.append(x)
    def get(self): return self.items.pop(0)
    def copy(self): return Queue(self.items)
    def __len__(self): return len(self.items)"""

def test_methods_that_only_sound_like_reading(tmp_path):
    "`get` of a queue changes it, and a copy that is none shows in what it was copied from."
    tests = 'q = Queue()\nq.put(1)\nq.put(2)\nassert q.get() == 1\ntest_eq(len(q), 1)\nx = q.get()\ntest_eq(len(q), 0)\nr = q.copy()\nr.put(5)\nassert len(q) == 0'
    shares = QUEUE.replace('return Queue(self.items)', 'return self')
    assert outcomes(tmp_path, QUEUE, tests, shares=shares) == dict(solved=[True] * 4, shares=[True, True, True, False])

def test_names_that_stand_for_one_thing(tmp_path):
    logger = '#| q: f points=6\n#| solution\nclass Log:\n    def __init__(self, sink): self.sink = sink\n    def write(self, text): self.sink.append(text)\n    def child(self): return Log(self.sink)'
    tests = 'sink = []\nl = Log(sink)\nl.write("a")\ntest_eq(sink, ["a"])\nk = l.child()\nk.write("b")\ntest_eq(sink, ["a", "b"])'
    assert outcomes(tmp_path, logger, tests, lone=logger.replace('return Log(self.sink)', 'return Log([])')) == dict(solved=[True, True], lone=[True, False])

@pytest.mark.parametrize('tests', ['def check(xs, want, eps=1e-9): test_close(f(xs), want)\nfor xs, want in [([1], 1), ([2, 4], 3)]: check(xs, want)', 'def check(xs, want):\n    got = f(xs)\n    assert abs(got - want) < 1e-9, f"{xs}: {got}"\nfor case in (([1], 1), ([2, 4], 3)): check(*case)',
    'def check(g, xs, want):\n    for x in xs: assert isinstance(x, int)\n    assert g(xs) == want\nfor xs, want in {(1,): 1, (2, 4): 3}.items(): check(f, xs, want=want)', 'def check(xs, want): assert f(xs) == want\ndef test_all():\n    for xs, want in [([1], 1), ([2, 4], 3)]: check(xs, want)\ntest_all()'])
def test_functions_with_tests_are_called_in_loops(tmp_path, tests):
    "A loop over `check(x, want)` is a test of all cases; right answers for some of them are not enough."
    assert passing(tmp_path, MEAN, tests, first='def f(xs): return xs[0]', wrong='def f(xs): return 7') == dict(solved=True, first=False, wrong=False)

def test_a_function_with_tests_in_a_loop_keeps_its_place(tmp_path):
    "It is shown, and hidden, as the line that calls it."
    probes = all_probes(master(tmp_path, MEAN, 'def check(xs, want): test_eq(f(xs), want)\nfor xs, want in [([1], 1)]:\n    check(xs, want)\n#| hidden\nfor xs, want in [([5], 5)]: check(xs, want)\n#| end'))
    assert [(p.shown, p.visible, p.place.split(', ')[-1]) for p in probes] == [('check(xs, want)', True, 'line 4'), ('check(xs, want)', False, 'line 6')]

def test_one_expected_number_for_a_whole_array(tmp_path):
    "As numpy has it, an array is near a number where all of its values are; keys and items of a dict are compared as sets."
    centred = '#| q: f points=6\ndef f(X):\n    #| solution\n    return X - X.mean(0)'
    tests = 'X = np.array([[.1, 2.], [.3, 5.]])\nassert np.allclose(f(X).mean(0), 0)\nassert np.allclose(f(X) - f(X), 0)\nnp.testing.assert_allclose(f(X).sum(), 0, atol=1e-9)'
    assert outcomes(tmp_path, centred, tests, same='def f(X): return X', list='def f(X): return [0, 0]') == dict(solved=[True] * 3, same=[False, True, False], list=[False] * 3)
    table = '#| q: f points=6\ndef f():\n    #| solution\n    return {"b": 1, "a": 2}'
    tests = 'assert f().keys() == {"a", "b"}\nassert f().items() == {("a", 2), ("b", 1)}\nassert {"a", "b"} == f().keys()'
    assert outcomes(tmp_path, table, tests, more='def f(): return dict(a=2, b=1, c=0)') == dict(solved=[True] * 3, more=[False] * 3)

def test_objects_have_a_way_to_be_asked_whole(tmp_path):
    "A comparison is asked whole, first with both sides of one class where only one side is the student's; a test for an error is not."
    probes = all_probes(master(tmp_path, MEAN, 'test_eq(f([1]), 1)\nassert f([1]) == f([2])\ntest_fail(lambda: f([]))\nfor x in [1, 2]: assert f([x]) == x'))
    assert [len(p.standing) for p in probes] == [2, 1, 0, 2] and [way[2] for p in probes for way in p.standing] == [0, 0, 0, 1, 1]
    assert 'type(a) is type(b)' in probes[0].standing[0][1] and probes[1].standing[0][1] == 'bool(f([1]) == f([2]))'
