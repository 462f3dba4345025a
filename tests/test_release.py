"""The student's copy: secrets in outputs, metadata, attachments, ids, comments and files are left behind or stop the release; check() in a real shell."""
import argparse, json

import pytest
from IPython.core.interactiveshell import InteractiveShell

from alpaca_course.grading import release as module
from alpaca_course.grading.assignment import read_assignment
from alpaca_course.grading.markers import AssignmentError
from alpaca_course.grading.release import check, leaks, release, release_arguments, release_command, secrets

SOLUTION = 'return sum(numbers) / len(numbers) + 4711 - 4711'
CODE = f'#| q: mean points=6\ndef mean(numbers):\n    #| solution\n    {SOLUTION}\n    #| end'
TESTS = '#| test: mean\ntest_eq(mean([1, 3]), 2)\ntest_fail(lambda: mean(7), exc=TypeError)\n#| hidden\ntest_eq(mean([5, 1234, 77]), 438.6666666666667)'
ANSWER = 'Because one very long tail pulls the arithmetic mean to the right.'
TEXT = f'<!-- q: why points=4 -->\nWhy is that? <!-- remember: {ANSWER} -->\n\n<!-- answer -->\n{ANSWER}'
RUBRIC = 'assignment: averages\nquestions:\n  why:\n    key_points: [outliers are what decides the matter here]\n    items:\n      - {id: tail, text: Names the long tail of incomes., points: 4, guideline: accept any wording for skewed distributions}\n'
SECRETS = [SOLUTION, 'test_eq(mean([5, 1234, 77]), 438.6666666666667)', ANSWER, 'outliers are what decides the matter here', 'Names the long tail of incomes.', 'accept any wording for skewed distributions']

def master(folder, change=lambda cells: None, more=()):
    sources = ['# Averages', 'import math\nfrom fastcore.test import *', CODE, TESTS, TEXT, *more]
    cells = [dict(cell_type='markdown' if s[0] in '<#' and s[1] in '! ' else 'code', id=f'{i:08x}', metadata={}, source=s.splitlines(keepends=True)) for i, s in enumerate(sources)]
    change(cells)
    folder.mkdir(exist_ok=True)
    (folder/'averages.ipynb').write_text(json.dumps(dict(cells=cells, metadata=dict(author_note=ANSWER), nbformat=4, nbformat_minor=5)))
    (folder/'rubric.yaml').write_text(RUBRIC)
    return read_assignment(folder)

def test_secrets_are_known(tmp_path): assert {s.text for s in secrets(master(tmp_path/'m'))} == set(SECRETS)

def test_outputs_metadata_attachments_ids(tmp_path):
    def change(cells):
        for cell in cells: cell['metadata'] = dict(note=ANSWER, nbgrader=dict(solution=SOLUTION))
        cells[2] |= dict(outputs=[dict(output_type='stream', name='stdout', text=[ANSWER])], execution_count=7, id='the-answer-is-in-the-tail')
        cells[0] |= dict(attachments={'a.png': {'text/plain': ANSWER}, 'b.png': {'image/png': 'AAAA'}}, source=['# Averages ![see](attachment:b.png)'])
    path = release(master(tmp_path/'m', change), tmp_path/'out')
    text = path.read_text()
    assert not [s for s in SECRETS if s in text] and 'the-answer' not in text and 'remember' not in text and 'a.png' not in text and 'b.png' in text
    assert [p.name for p in path.parent.iterdir()] == ['averages.ipynb']

@pytest.mark.parametrize('secret', SECRETS)
@pytest.mark.parametrize('how', ['# {}', 'x = """\n{}\n"""', '# As I said:  {} so there'])
def test_a_repeated_secret_stops_the_release(tmp_path, secret, how):
    if '"""' in how and '(' in secret and 'test_eq' not in secret and 'return' not in secret: return
    with pytest.raises(AssignmentError, match='not released') as error: release(master(tmp_path/'m', more=[how.format(secret.upper() if '#' in how else secret)]), tmp_path/'out')
    assert not (tmp_path/'out').exists() and 'averages.ipynb' in str(error.value)

def test_secrets_in_attachments_that_are_shown(tmp_path):
    def change(cells): cells[0] |= dict(attachments={'b.svg': {'image/svg+xml': f'<svg>{ANSWER}</svg>'}}, source=['# ![see](attachment:b.svg)'])
    with pytest.raises(AssignmentError, match='not released'): release(master(tmp_path/'m', change), tmp_path/'out')

def test_data_goes_along_and_is_searched(tmp_path):
    assignment = master(tmp_path/'m')
    (tmp_path/'m'/'data').mkdir(); (tmp_path/'m'/'data'/'a.txt').write_text('fine'); (tmp_path/'m'/'key.txt').write_text(ANSWER)
    path = release(assignment, tmp_path/'out')
    assert sorted(p.name for p in path.parent.rglob('*') if p.is_file()) == ['a.txt', 'averages.ipynb']
    (tmp_path/'m'/'data'/'b.json').write_text(json.dumps({'x': [ANSWER]}))
    with pytest.raises(AssignmentError, match='data/b.json'): release(assignment, tmp_path/'out2')
    (tmp_path/'m'/'data'/'b.json').unlink(); (tmp_path/'m'/'data'/'c').symlink_to('/etc/hostname')
    with pytest.raises(AssignmentError, match='a link'): release(assignment, tmp_path/'out3')

def test_never_over_the_master(tmp_path):
    assignment = master(tmp_path/'averages')
    with pytest.raises(AssignmentError, match='choose another folder'): release(assignment, tmp_path)
    assert SOLUTION in (tmp_path/'averages'/'averages.ipynb').read_text()

def test_spacing_and_capitals_do_not_hide(tmp_path):
    hidden = secrets(master(tmp_path/'m'))
    assert leaks(f'{{"cells": [{{"source": ["{ANSWER[:20]}\\n", "  {ANSWER[20:].strip().upper()}"]}}]}}'.encode(), hidden)
    assert not leaks(b'{"cells": [{"source": ["nothing of the kind"]}]}', hidden)

def test_command(tmp_path, capsys):
    master(tmp_path/'m')
    parser = argparse.ArgumentParser(); release_arguments(parser)
    with pytest.raises(ValueError, match='the reference solution fails 1 of its own tests'): release_command(parser.parse_args([str(tmp_path/'m'), '--out', str(tmp_path/'out')]))  # a float compared exactly
    assert not (tmp_path/'out').exists()
    assert release_command(parser.parse_args([str(tmp_path/'m'), '--out', str(tmp_path/'out'), '--no-run'])) == 0
    said = capsys.readouterr().out
    assert '1 code and 1 text questions, 10 points; 2 visible and 1 hidden checks' in said and 'found none' in said

def test_check_in_a_shell(tmp_path, monkeypatch, capsys):
    "As a student meets it: nothing written, half right, right; in the folder of the released notebook."
    path = release(master(tmp_path/'m'), tmp_path/'out')
    monkeypatch.chdir(path.parent)
    shell = InteractiveShell()
    monkeypatch.setattr('IPython.get_ipython', lambda: shell)
    for cell in json.loads(path.read_text())['cells']:
        if cell['cell_type'] == 'code' and '#| test' not in ''.join(cell['source']): shell.run_cell(''.join(cell['source']))
    capsys.readouterr(); check(); said = capsys.readouterr().out
    assert 'mean: 0 of 2 checks' in said and 'is not written yet' in said and 'why: 0 of 1' in said and 'all together: 0 of 3' in said
    shell.run_cell('def mean(numbers): return sum(numbers) / 1'); check('mean'); said = capsys.readouterr().out
    assert 'mean: 1 of 2 checks' in said and 'the value is 4.0, which is not what was expected' in said
    shell.run_cell('def mean(numbers): return sum(numbers) / len(numbers)'); check('mean')
    assert 'mean: 2 of 2 checks' in capsys.readouterr().out
    path.write_text(path.read_text().replace('<!-- answer -->\\n', '<!-- answer -->\\nIt is skewed.\\n')); check('why')
    assert 'why: 1 of 1' in capsys.readouterr().out
    with pytest.raises(AssignmentError, match='there are: mean, why'): check('median')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssignmentError, match="start Jupyter in the assignment's folder"): check('mean')

def test_check_outside_of_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr('IPython.get_ipython', lambda: None)
    with pytest.raises(AssignmentError, match='space=globals'): check('mean', notebook=str(tmp_path/'x.ipynb'))

def test_check_leaves_names_alone(tmp_path, monkeypatch, capsys):
    path = release(master(tmp_path/'m', more=['#| test: mean\nxs = [1, 2]\ntest_eq(mean(xs), 1.5)']), tmp_path/'out')
    space = dict(xs='mine', mean=lambda xs: sum(xs) / len(xs))
    check('mean', notebook=path, space=space)
    assert space['xs'] == 'mine' and '3 of 3' in capsys.readouterr().out
