"""Hostile and merely odd masters and rubrics: one sentence with file, cell and line, or the same assignment as the tidy one."""
import json, os, random, re

import pytest

from alpaca_course.grading.assignment import find_assignment, read_assignment
from alpaca_course.grading.markers import AssignmentError

CODE = '#| q: mean points=6\ndef mean(xs):\n    #| solution\n    return sum(xs) / len(xs)\n    #| end'
TESTS = '#| test: mean\ntest_eq(mean([1, 3]), 2)\n#| hidden\ntest_eq(mean([5]), 5)\n#| end'
TEXT = '<!-- q: why points=4 -->\nWhy?\n\n<!-- answer -->\nBecause of the tail.'
RUBRIC = 'assignment: averages\ntitle: Averages\nquestions:\n  why:\n    points: 4\n    kind: text\n    items:\n      - {id: tail, text: Names the tail., points: 4, guideline: accept skew}\n'

def write(folder, cells, rubric=RUBRIC, **notebook):
    made = [dict(cell_type='markdown' if source.lstrip().startswith('<!--') or source.startswith('# ') else 'code', id=f'{i:08x}', metadata={}, source=source) for i, source in enumerate(cells)]
    (folder/'averages.ipynb').write_text(json.dumps(dict(cells=made, metadata={}, nbformat=4, nbformat_minor=5) | notebook))
    if rubric is not None: (folder/'rubric.yaml').write_bytes(rubric if isinstance(rubric, bytes) else rubric.encode())
    return folder

def refused(folder, *words):
    with pytest.raises(AssignmentError) as error: read_assignment(folder)
    message = str(error.value)
    assert '\n' not in message and all(word in message for word in words), message

def facts(assignment):
    return [(q.name, q.kind, q.points, q.prompt.split(), q.solution.strip() if q.kind == 'text' else '', [(t.hidden, t.hidden_lines) for t in q.tests]) for q in assignment.questions]

TIDY = [CODE, TESTS, TEXT]
@pytest.mark.parametrize('cells', [
    [CODE.replace('#| q: mean points=6', '#|q:mean points=6'), TESTS, TEXT], [CODE.replace('#| q: mean points=6', '#| q: mean, points = 6.0'), TESTS, TEXT], [CODE, TESTS.replace('#| hidden', '  #|hidden').replace('#| end', '# | END'), TEXT],
    [CODE.replace('\n    #| end', ''), TESTS, TEXT], [CODE, TESTS.replace('\n#| end', ''), TEXT], [CODE, TESTS, TEXT.replace('<!-- q: why points=4 -->', '<!--Q:why points=4-->')], [CODE, TESTS, TEXT.replace('<!-- answer -->', '<!--answer-->')],
    [CODE, TESTS, TEXT.replace('<!-- answer -->\nBecause of the tail.', '<!-- solution -->Because of the tail.<!-- end -->\n<!-- answer -->')], [CODE.replace('#| q: mean points=6', '#| q: mean points: 6'), TESTS, TEXT], [CODE + '\n', TESTS + '\n', '\n' + TEXT + '\n']])
def test_harmless_variants(tmp_path, cells):
    (tmp_path/'a').mkdir(); (tmp_path/'b').mkdir()
    tidy, odd = facts(read_assignment(write(tmp_path/'a', TIDY))), facts(read_assignment(write(tmp_path/'b', cells)))
    strip = [(name, kind, points, prompt[4 if kind == 'code' else 0:], *rest) for name, kind, points, prompt, *rest in odd]
    assert [(n, k, p, s) for n, k, p, _, s, _ in tidy] == [(n, k, p, s) for n, k, p, _, s, _ in odd]
    assert [row[5] for row in tidy] == [row[-1] for row in odd] and 'sum(xs)' not in ' '.join(odd[0][3]) and strip

@pytest.mark.parametrize('rubric', [RUBRIC.replace('assignment: averages\n', ''), 'questions:\n  - {name: why, items: [{id: "1", text: x, points: "4"}]}', RUBRIC.replace('points: 4\n', 'points: 4.00\n', 1), '\ufeff' + RUBRIC, RUBRIC.replace('\n', '\r\n'), RUBRIC + 'author: somebody\n',
    RUBRIC.replace('id: tail', 'id: no'), RUBRIC.replace('kind: text', 'kind: Text'), 'questions: {why: {}}'])
def test_harmless_rubrics(tmp_path, rubric):
    question = read_assignment(write(tmp_path, TIDY, rubric)).question('why')
    assert question.points == 4 and all(item.points == 4 for item in question.items)

@pytest.mark.parametrize('rubric,words', [('a: &x [1]\nquestions: *x', ['line 2', 'aliases']), ('!!python/object/apply:os.system ["touch gone"]', ['python/object']), ('questions: {why: {points: 4, points: 5}}', ["'points' comes twice"]), ('[' * 3000, ['too deeply']),
    (b'\xff\xfe', ['UTF-8']), ('- 1\n- 2', ['must be a mapping']), ('', ['must be a mapping']), ('questions: 7', ["'questions'"]), ('questions: {why: 7}', ['must be a mapping']), ('questions: {why: {points: .inf}}', ['not a number']), ('questions: {why: {points: 1e99}}', ['not a number']),
    ('questions: {why: {items: {a: 1}}}', ['must be a list']), ('questions: {why: {items: [{id: a, text: [x], points: 1}]}}', ['one text']), ('questions: {why: {clamp: [4, 0]}}', ['[0, points]']), ('questions: {nobody: {}}', ["'nobody'", 'averages.ipynb']), ('assignment: ../../etc\nquestions: {}', ['no name']),
    ('questions: {why: {kind: essay}}', ['not text or code']), ('questions: {why: {points: 3}}', ['4 points here', '3 in the rubric', 'cell 3']), ('x: "\x00"', ['line 1']), ('a: 1\n b: 2', ['line 2']), ('questions: {[1]: 2}', ['single word']), ('x: ' + 'y' * (5 << 20), ['over 4 MB'])])
def test_hostile_rubrics(tmp_path, rubric, words):
    refused(write(tmp_path, TIDY, rubric), 'rubric.yaml' if 'cell 3' not in words else 'averages.ipynb', *words)
    assert not (tmp_path/'gone').exists()

@pytest.mark.parametrize('cells,words', [([CODE.replace('#| solution', '#| soluton')], ['cell 1', 'line 3', "did you mean 'solution'"]), ([CODE, TESTS.replace('#| hidden', '#| hiden')], ['cell 2', 'line 3', "'hidden'"]), ([CODE.replace('solution', 'hidden')], ['cell 1', 'line 3', 'does not belong']),
    (['x = 1\n' + CODE], ['line 2', 'first line']), ([CODE, CODE], ['cell 2', 'second question', 'cell 1']), ([TESTS], ['cell 1', 'no question has that name']), (['#| solution\nx = 1'], ['cell 1', 'does not begin with']), (['x = 1\n#| end'], ['cell 1', 'line 2']),
    ([CODE.replace('points=6', 'points=-6')], ['not a number from 0']), ([CODE.replace('points=6', 'points=6 points=6')], ['twice']), ([CODE.replace('    return', '    return )')], ['line 4', 'not Python']), (['#| q: mean points=6\nx = [\n#| solution\n1]'], ['whole statements']),
    ([TEXT.replace('<!-- answer -->', '<!-- anwser -->')], ['line 4', "'answer'"]), ([TEXT.replace('<!-- answer -->', '')], ['needs a line']), (['# Title\n\n<!-- answer -->\nfree'], ['without']), (['<!-- hidden -->\nnever closed\n\n<!-- q: why points=4 -->'], ['first line']), ([CODE.replace('q: mean', 'q: Mean')], ['small letters']),
    ([CODE, '#| test: mean points=5\ntest_eq(mean([1]), 1)'], ['6 points', 'add up to 5']), ([CODE, '#| test: mean points=7\ntest_eq(mean([1]), 1)'], ['add up to 7']), (['#| hidden\nx = 1'], ['before any question']), ([TEXT, '#| test: why\nassert True'], ['text question']), ([], ['no questions']),
    ([CODE, '#| hidden\ntest_eq(mean([1]), 1)\n#| end\nx = 1'], ['hidden as a whole']), ([CODE.replace('    return sum(xs)', '    return sum(xs)  #| end\n#')], ['line of its own'])])
def test_slips_have_an_address(tmp_path, cells, words): refused(write(tmp_path, cells, 'questions: {}'), 'averages.ipynb', *words)

@pytest.mark.parametrize('content', [b'', b'%PDF-1.7', b'{"cells": 7}', b'[]', b'{"worksheets": []}', b'{"cells": [7]}', b'{"cells": [{"cell_type": "code"}]}', b'{"cells": [{"source": [1]}]}', b'\xff\xff', b'[' * 100_000, b'{"cells": [{"source": null}]}'])
def test_files_that_are_no_notebooks(tmp_path, content):
    (tmp_path/'averages.ipynb').write_bytes(content)
    refused(tmp_path/'averages.ipynb', 'averages.ipynb')

def test_missing_things(tmp_path):
    refused(tmp_path/'nothing', 'neither a notebook'); refused(tmp_path, '0 notebooks')
    write(tmp_path, TIDY, None); refused(tmp_path, 'no rubric.yaml')
    write(tmp_path, TIDY); (tmp_path/'averages.ipynb').rename(tmp_path/'b.ipynb'); (tmp_path/'c.ipynb').write_text('{}'); refused(tmp_path, '2 notebooks')
    assert len(read_assignment(tmp_path/'b.ipynb').questions) == 2
    os.mkfifo(tmp_path/'p.ipynb'); refused(tmp_path/'p.ipynb', 'neither')

def test_rubric_elsewhere(tmp_path):
    (tmp_path/'a').mkdir(); write(tmp_path/'a', TIDY, None); (tmp_path/'my.yaml').write_text(RUBRIC)
    assert read_assignment(tmp_path/'a'/'averages.ipynb', tmp_path/'my.yaml').question('why').items[0].guideline == 'accept skew'

def test_ids_missing_or_twice(tmp_path):
    write(tmp_path, TIDY)
    data = json.loads((tmp_path/'averages.ipynb').read_text())
    data['cells'][1]['id'] = data['cells'][0]['id']; del data['cells'][2]['id']
    (tmp_path/'averages.ipynb').write_text(json.dumps(data))
    assert len({part.cell_id for part in read_assignment(tmp_path).parts}) == 3

def test_damage_never_ends_in_another_error(tmp_path):
    "Characters of a sound master changed at random: read, or refused in one line."
    rng, outcomes = random.Random(0), set()
    for _ in range(300):
        cells = list(TIDY)
        for _ in range(rng.randrange(1, 4)):
            i = rng.randrange(3); at = rng.randrange(len(cells[i]))
            cells[i] = cells[i][:at] + rng.choice(['', '#| end\n', '<!--', '-->', '\n', '#|', ' ', ':', '\x00', '"""', '=']) + cells[i][at + rng.randrange(3):]
        try: read_assignment(write(tmp_path, cells)); outcomes.add('read')
        except AssignmentError as e: outcomes.add('refused'); assert re.match(r'.*(averages.ipynb|rubric.yaml)', str(e))
    assert outcomes == {'read', 'refused'}
