"""The course's own assignments: the solved master passes all its checks, the released copy none, and nothing secret is in it."""
import io, json, re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from alpaca_course.grading.assignment import read_assignment
from alpaca_course.grading.probes import all_probes, verdict, weak_tests
from alpaca_course.grading.release import release, squeezed, valued

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted(path.parent for path in ROOT.glob('assignments/*/rubric.yaml'))

@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def assignment(request): return read_assignment(request.param)

def names_after(sources):
    "What the cells of a notebook leave behind; a cell that fails does not stop the others."
    space = {'__name__': '__main__'}
    for source in sources:
        with redirect_stdout(io.StringIO()):
            try: exec(compile(source, '<cell>', 'exec'), space)
            except NotImplementedError: pass
    return space

def code_of(assignment, released):
    return [part.released if released else part.source for part in assignment.parts if part.kind == 'setup' or part.kind == 'question' and assignment.question(part.question).kind == 'code']

def verdicts(assignment, sources):
    "Each probe with its verdict, as if `sources` were a student's cells."
    student, reference = (names_after(cells) for cells in (sources, code_of(assignment, released=False)))
    for probe in all_probes(assignment):
        expected = valued(probe.expected_setup, probe.expected, reference) if probe.expected is not None else None
        yield probe, verdict(probe, valued(probe.setup, probe.expr, student), expected)

def test_there_are_three(): assert {'self_instruct', 'scratchpads', 'reading'} <= {folder.name for folder in FOLDERS}

def test_solved_master_passes_everything(assignment):
    failed = [(probe.place, probe.shown, found.why) for probe, found in verdicts(assignment, code_of(assignment, released=False)) if not found.passed]
    assert not failed

def test_released_copy_passes_nothing(assignment, tmp_path):
    cells = json.loads(release(assignment, tmp_path).read_text())['cells']
    code = [''.join(c['source']) for c in cells if c['cell_type'] == 'code' and not ''.join(c['source']).startswith('#| test')]
    passed = [(probe.place, probe.shown) for probe, found in verdicts(assignment, code) if found.passed]
    assert not passed
    if all_probes(assignment): assert sum('raise NotImplementedError' in source for source in code) == sum(q.kind == 'code' for q in assignment.questions)

def test_points_add_up(assignment):
    for question in assignment.questions:
        probes = [p for p in all_probes(assignment) if p.question == question.name]
        if question.kind == 'code': assert abs(sum(p.points for p in probes) - question.points) < 1e-9
        else: assert sum(item.points for item in question.items if item.points > 0) >= question.points - 1e-9, question.name # full marks can be reached

def test_nothing_secret_in_any_file(assignment, tmp_path):
    "Every line of a solution, a hidden test or a model answer, every guideline, item and key point: none is in a released byte. A grep of its own, not the library's."
    path = release(assignment, tmp_path)
    texts = [file.read_text('utf-8') for file in path.parent.rglob('*') if file.is_file()]
    cells = [squeezed(''.join(cell['source'])) for cell in json.loads(path.read_text())['cells']]
    visible = {squeezed(line) for part in assignment.parts if part.released is not None for line in part.released.splitlines()}
    secret = set()
    for question in assignment.questions:
        lines, inside = question.source.splitlines(), False
        for line in lines if question.kind == 'code' else []:
            mark = re.match(r'\s*#\|\s*(solution|end)', line)
            if mark: inside = mark[1] == 'solution'
            elif inside: secret.add(line.strip())
        for test in question.tests:
            inside = test.hidden
            for line in test.source.splitlines():
                mark = re.match(r'\s*#\|\s*(hidden|end)', line)
                if mark: inside = mark[1] == 'hidden'
                elif inside: secret.add(line.strip())
        private = [item.guideline for item in question.items] + [item.text for item in question.items] + list(question.key_points)
        if question.kind == 'text': private += re.split(r'(?<=[.!?])\s+|\n', question.source.partition('<!-- answer -->')[2])
        secret |= {text.strip() for text in private}
    hunted = {squeezed(text) for text in secret if len(text) > 12}
    assert len(hunted) > 10
    whole = '\n'.join(squeezed(text) for text in texts)
    found = [text for text in hunted if text in visible or any(text in cell for cell in cells) or text in whole]
    assert not found

def test_released_notebook_is_clean(assignment, tmp_path):
    for cell in json.loads(release(assignment, tmp_path).read_text())['cells']:
        assert not cell.get('outputs') and cell['metadata'] == {} and not cell.get('execution_count')
        assert re.fullmatch('[0-9a-f]{8}', cell['id'])
        assert not re.search(r'#\|\s*(solution|hidden|end)\b|<!--\s*(solution|hidden|end)', ''.join(cell['source']))

def test_code_questions_have_card_hint_and_both_kinds_of_checks(assignment):
    text = ' '.join(part.source for part in assignment.parts if part.kind == 'text')
    probes = all_probes(assignment)
    for question in assignment.questions:
        if question.kind != 'code': continue
        assert re.search(rf'\*\*{question.name}\*\* · {question.points:g} points · difficulty [1-5] of 5 · importance [1-5] of 5 · \d+ minutes', text), question.name
        mine = [p.visible for p in probes if p.question == question.name]
        assert any(mine) and not all(mine), question.name
    assert text.count('<summary>Hint</summary>') >= sum(q.kind == 'code' for q in assignment.questions)

def test_no_test_is_weak(assignment): assert weak_tests(assignment) == []

def test_changelog_has_both_headings(assignment):
    text = (assignment.path.parent/'CHANGELOG.md').read_text()
    assert '## code:' in text and '## handout:' in text

# --- question `work` of scratchpads: a transformer is trained on what the student's function gave ------------------------

@pytest.fixture(scope='module')
def contest():
    "The names of the cells that train and measure, without the line that shows them at work."
    source = next(part.source for part in read_assignment(ROOT/'assignments/scratchpads').parts if part.kind == 'test' and 'def measured_shares' in part.source)
    return names_after(['import random', source[:source.rindex('print(')]])

def sums(digits): return f'#{sum(map(int, digits)) % 10}$'
def counted(digits, target): return list(range(len(digits) + 1 + len(target)))
def blurt(digits, rng): return sums(digits), counted(digits, sums(digits))

REFUSED = {'no answer': (lambda d, rng: (',1$', counted(d, ',1$')), 'a target ends in'), 'wrong answer': (lambda d, rng: ('#11$', counted(d, '#11$')), 'a target ends in'),
    'practises longer sums': (lambda d, rng: ('1234567890' * 9 + sums(d), counted(d, '1234567890' * 9 + sums(d))), 'at most 8 characters'), 'two ends': (lambda d, rng: ('$' + sums(d), counted(d, '$' + sums(d))), 'the only'),
    'no text': (lambda d, rng: (None, [0]), 'a target ends in'), 'places of another length': (lambda d, rng: (sums(d), [0]), 'characters but 1 positions'), 'places beyond the end': (lambda d, rng: (sums(d), [200] * 9), 'from 0 to 199'),
    'places that lie': (lambda d, rng: (sums(d), [1.] * (len(d) + 4)), 'whole numbers'), 'truth values': (lambda d, rng: (sums(d), [True] * (len(d) + 4)), 'whole numbers'), 'unknown character': (lambda d, rng: ('\u00e9' + sums(d), counted(d, 'e' + sums(d))), 'not in the alphabet'),
    'long places in the test': (lambda d, rng: (sums(d), [0] * (len(d) + 4 + 90 * (len(d) > 4))), 'at most 8 characters')}

@pytest.mark.parametrize('name', REFUSED)
def test_what_may_not_take_part_is_refused_before_any_training(contest, name):
    work, says = REFUSED[name]
    contest['train_solver'], kept = None, contest['train_solver'] # would fail with another error
    try:
        with pytest.raises(ValueError, match=says): contest['measured_shares'](contest['worked'](work, (6,)))
    finally: contest['train_solver'] = kept

def test_fewer_rows_are_refused(contest):
    rows, tests = contest['worked'](blurt, (6,))
    with pytest.raises(ValueError): contest['measured_shares']((rows[:10], tests))

def test_the_students_function_never_sees_a_test_problem(contest):
    seen = []
    contest['worked'](lambda d, rng: (seen.append(d), blurt(d, rng))[1], (6, 8))
    assert {d for d in seen if len(d) > 4} == {'0' * 6, '0' * 8} and max(map(len, seen[:3000])) == 4

def test_data_are_plain_and_small_enough_to_leave_the_sandbox(contest):
    longest = contest['worked'](lambda d, rng: ('1' * (8 * len(d) + 5) + sums(d), [199] * (9 * len(d) + 9)), (8,))
    from alpaca_course.grading.values import as_value
    from alpaca_course.grading.verdicts import decode
    assert as_value(longest)['ok'] and decode(as_value(longest)['value']) == longest

def test_the_budget_is_fixed_whatever_the_data(contest):
    asked = []
    real = contest['train_solver']
    contest['train_solver'] = lambda draw, plan, shape: (asked.append((plan.steps, plan.characters, shape.layers, shape.hidden)), real(draw, type(plan)(steps=2, characters=512), shape))[1]
    try: assert contest['measured_shares'](contest['worked'](blurt, (6,)))[6] < .5
    finally: contest['train_solver'] = real
    assert asked == [(400, 512, 2, 64)]

def test_the_plain_working_is_no_better_than_chance_beyond(contest):
    "The one training here beside the master's two: what students start from learns four digits, and nothing longer."
    shares = contest['measured_shares'](contest['worked'](contest['plainly'], (4, 6, 8)))
    assert shares[4] > .8 and shares[6] < .35 and shares[8] < .35
