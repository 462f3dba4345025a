"""From submissions to totals with code and text: a real batch in a real sandbox, then results that somebody damaged or made up."""
import argparse, csv, io, json, shutil
from types import SimpleNamespace as New

import pytest
from conftest import needs

from alpaca_course.grading.archives import collect
from alpaca_course.grading.assignment import find_assignment, read_assignment
from alpaca_course.grading.autograde import autograde_arguments, autograde_command
from alpaca_course.grading.book import backups, connect, dump, known_people, open_book, pseudonyms, real_names, restore_dump
from alpaca_course.grading.intake import code_cards, flagged_runs, give_points, import_points, points_arguments, points_command, read_submissions_into
from alpaca_course.grading.marks import mark, open_regrade, sync_rubric, undo
from alpaca_course.grading.probes import question_probes
from alpaca_course.grading.publish import publish, publish_arguments, publish_command
from alpaca_course.grading.release import release
from alpaca_course.grading.views import overview, render

TEXTS = dict(benefits='It is cheap: nobody is paid. Small labs gain most.', shortcomings='Errors are copied; check a sample.', threshold='Measure on labelled pairs.')
CRASH = '#| q: parse points=8\nimport re\ndef parse(text, finished=True):\n    import os\n    os._exit(3)\n'
PEOPLE = dict(s01='Ada Llama', s02='Bo Vicuña', s03='Cy Guanaco', s04='Dee Alpaca', s05='Eve Camel', s06='Fay Dromedary', s07='Gus Late')


def options(arguments, *words):
    parser = argparse.ArgumentParser(); arguments(parser)
    return parser.parse_args(list(map(str, words)))


def handed_in(assignment, released, folder):
    "Six students: all right, one question, a crash, a text file instead of a notebook, an untouched copy, nothing but code."
    cells = json.loads(released.read_text('utf-8'))
    solved = {q.name: '\n'.join(row for row in q.source.split('\n') if row.strip() not in ('#| solution', '#| end')) for q in assignment.questions if q.kind == 'code'}
    def notebook(code, texts):
        def filled(source):
            name = next((q.name for q in assignment.questions if source.startswith((f'#| q: {q.name} ', f'<!-- q: {q.name} '))), '')
            return code.get(name) or (f'{source.rstrip()}\n\n{texts[name]}' if name in texts else source)
        return json.dumps(cells | dict(cells=[c | dict(source=filled(''.join(c['source']))) for c in cells['cells']]))
    folder.mkdir()
    for name, code, texts in (('s01', solved, TEXTS), ('s02', dict(parse=solved['parse']), TEXTS), ('s03', solved | dict(parse=CRASH), TEXTS), ('s05', {}, {}), ('s06', solved, {})): (folder/f'{name}_hw.ipynb').write_text(notebook(code, texts), 'utf-8')
    (folder/'s04_hw.md').write_text(f'## Why let a model write the data?\n\n**Answer**\n\n{TEXTS["benefits"]}\n')
    return notebook, solved


@pytest.fixture(scope='module')
def course(tmp_path_factory):
    "Released, handed in, collected and autograded, once for the module."
    needs('bwrap')
    top = tmp_path_factory.mktemp('points')
    assignment = read_assignment(find_assignment('self_instruct'))
    notebook, solved = handed_in(assignment, release(assignment, top/'released'), top/'handed_in')
    (top/'roster.csv').write_text('id,name\n' + ''.join(f'{k},{v}\n' for k, v in PEOPLE.items()), 'utf-8')
    collect(assignment.name, top/'handed_in', top/'collected', top/'roster.csv')
    assert autograde_command(options(autograde_arguments, 'self_instruct', '--submissions', top/'collected', '--out', top/'graded')) == 0
    return New(top=top, assignment=assignment, notebook=notebook, solved=solved)


def canvas_of(people): return ('Student,ID,SIS Login ID,Section,Self (77)\r\n    Points Possible,,,,30\r\n' + ''.join(f'"{n}",{i},{s},A,\r\n' for i, (s, n) in enumerate(people.items()))).encode()
def worksheet_of(people): return ('Identifier,Full name,Grade,Maximum grade,Last modified (grade),Feedback comments\r\n' + ''.join(f'Participant {s[1:]},{n},,30.00,-,\r\n' for s, n in people.items())).encode()
def gradescope_of(people): return ('First Name,Last Name,SID,Email,Self,Self - Max Points\r\n' + ''.join(f'A,B,{s},{s}@x.example,,30\r\n' for s in people)).encode()


def test_the_whole_way(course, tmp_path, capsys):
    folder, top = tmp_path/'book', course.top
    points = options(points_arguments, 'self_instruct', top/'graded', '--book', folder)
    with pytest.raises(ValueError, match="nobody's id is known yet"): points_command(points)
    assert not folder.exists()
    book = open_book(folder, create=True); sync_rubric(book, course.assignment)
    assert '6 files' in read_submissions_into(book, course.assignment, str(top/'handed_in'), str(top/'roster.csv'))
    assert known_people(folder) == PEOPLE
    assert points_command(points) == 0
    said = capsys.readouterr().out
    assert 'points   15 marks from tests: 15 new or changed' in said and 's03: parse: 12 of 12 tests: ended its process' in said and 's04: not a whole notebook' in said and 'backup   ' in said
    # each mark is tied to the very file
    shas = {json.loads(p.read_text())['extra_data']['student']: json.loads(p.read_text())['extra_data']['sha256'] for p in (top/'graded').glob('*/results.json')}
    names = real_names(folder)
    rows = book.rows('select a.student, a.question, r.submission, m.source, m.points, r.points again from run r join answer a on a.id = r.answer join mark m on m.id = r.mark')
    assert len(rows) == 15 and all(r['submission'] == shas[names[r['student']]] and r['source'] == 'auto' and r['points'] == r['again'] for r in rows)
    # twice is once
    everything = lambda: [book.rows(f'select * from {t}') for t in ('answer', 'mark', 'run', 'question', 'item')]
    before, kept = everything(), len(backups(folder))
    assert points_command(points) == 0 and everything() == before and len(backups(folder)) == kept
    assert '15 as before' in capsys.readouterr().out
    # the page
    view = overview(book, 'ann')
    assert [(c['name'], c['imported'], c['total'], c['flagged'], c['open']) for c in view['code']] == [('parse', 5, 6, 2, 1), ('reject', 5, 6, 1, 1), ('first_near', 5, 6, 1, 1)]
    page = render('overview.html', nonce='n', grader='ann', open_regrades=0, title='T', lanes=False, **view)
    assert '5 of 6 imported, 1 without points' in page and '/q/parse' not in page
    # text by items, one code question by hand, then everything is published
    with pytest.raises(ValueError, match='parse: 1 of 6 without points'): publish(book, tmp_path/'out', 'Self')
    for q in TEXTS:
        first = book.rows('select id from item where question = ? order by place', q)[0]['id']
        for r in book.rows('select id, text from latest where question = ?', q): mark(book, {r['id']: 0}, [first] if r['text'] else [], 'ann')
    points_command(options(points_arguments, '--book', folder, '--give', 0, '--student', 's04', '--by', 'ann'))
    lms = dict(canvas=canvas_of(PEOPLE), moodle=worksheet_of(PEOPLE), gradescope=gradescope_of(PEOPLE))
    for name, data in lms.items(): (tmp_path/f'{name}.csv').write_bytes(data)
    lines = publish(book, tmp_path/'out', 'Self', [tmp_path/'canvas.csv', tmp_path/'gradescope.csv'], 'Self', top/'roster.csv')
    text = {'s01': 2.0, 's02': 2.0, 's03': 2.0, 's04': .5, 's05': 0, 's06': 0}
    code = {s: json.loads((top/'graded'/s/'results.json').read_text())['score'] for s in text}
    assert code['s01'] == code['s06'] == 21 and code['s02'] == 8 and code['s05'] == 0 and 0 < code['s03'] < 21
    want = {s: code[s] + text[s] for s in text}
    found = list(csv.DictReader(io.StringIO((tmp_path/'out'/'scores.csv').read_text('utf-8'))))
    assert {r['student']: float(r['total']) for r in found} == pytest.approx(want, abs=.011) and {r['possible'] for r in found} == {'30'}
    for name, who, column in (('canvas', 'SIS Login ID', 'Self (77)'), ('gradescope', 'SID', 'Self')):
        filled = {r[who]: r[column] for r in csv.DictReader(io.StringIO((tmp_path/'out'/f'{name}.csv').read_text('utf-8'))) if r[who]}
        assert filled.pop('s07') == '' and {s: float(v) for s, v in filled.items()} == pytest.approx(want, abs=1e-4)
    assert any(line.startswith('flagged  ') and 'that no person has looked at' in line for line in lines) and any('s03, parse' in line for line in lines)
    page = (tmp_path/'out'/'feedback'/'s03.html').read_text('utf-8')
    assert 'hidden test' in page and 'Parse the reply' in page and f'{want["s03"]:g} of 30 points' in page and 'Ada' not in page
    secret = [p.expr for q in course.assignment.questions for p in question_probes(q) if not p.visible and p.expr not in q.released]
    assert secret and not [e for e in secret if e in ''.join(p.read_text('utf-8') for p in (tmp_path/'out').rglob('*.*')) + json.dumps(everything()[2])]
    assert 'autograde' not in (tmp_path/'out'/'feedback'/'s01.md').read_text('utf-8')
    # a dump holds the runs and gives the same scores
    dump(book, tmp_path/'dump.jsonl')
    again = restore_dump(tmp_path/'dump.jsonl', tmp_path/'again')
    assert again.rows('select * from score') == book.rows('select * from score') and again.rows('select * from run') == book.rows('select * from run')
    book.close(); again.close()


def test_moodle_counts_both_halves(course, tmp_path):
    "Moodle's ids are numbers, so the same batch under a roster of participants."
    book = open_book(tmp_path/'book', create=True); sync_rubric(book, course.assignment)
    (tmp_path/'roster.csv').write_bytes(worksheet_of(PEOPLE))
    shutil.copytree(course.top/'graded', tmp_path/'graded')
    for p in (tmp_path/'graded').glob('*/results.json'): p.write_text(p.read_text().replace('"student": "s0', '"student": "0'))
    assert points_command(options(points_arguments, 'self_instruct', tmp_path/'graded', '--book', tmp_path/'book', '--roster', tmp_path/'roster.csv')) == 0
    for q in TEXTS:
        for r in book.rows('select id from latest where question = ?', q): mark(book, {r['id']: 0}, [], 'ann')  # blank: no answers were read in, and nobody is forgotten
    (tmp_path/'moodle.csv').write_bytes(worksheet_of(PEOPLE))
    assert any('5 students filled in' in line for line in publish(book, tmp_path/'out', 'Self', [tmp_path/'moodle.csv'], partial=True))
    rows = {r['Identifier']: r['Grade'] for r in csv.DictReader(io.StringIO((tmp_path/'out'/'moodle.csv').read_text('utf-8')))}
    assert (rows['Participant 01'], rows['Participant 02'], rows['Participant 04'], rows['Participant 07']) == ('21', '8', '', '')
    book.close()


# ---- made-up results, no sandbox needed
TASK = New(name='task', questions=[New(name='one', kind='code', title='One', points=4., prompt='', solution='', items=[]), New(name='two', kind='code', title='Two', points=2., prompt='', solution='', items=[]),
                                   New(name='why', kind='text', title='Why', points=1., prompt='', solution='', items=[New(id='a', text='Says a.', points=1, guideline='')])])

def row(points, most, flags=(), answer='x = 1', **more): return dict(points=points, max_points=most, tests=[dict(passed=True, points=points, max_points=most, visible=True, test='test_eq(x, 1)')], flags=list(flags), answer=answer, for_a_person=False) | more
def result(student, one=4, two=2, sha='a', flags=(), questions=None, **more):
    extra = dict(assignment='task', student=student, sha256=sha*64, problem='', sandbox='bubblewrap', flags=list(flags), questions=dict(one=row(one, 4), two=row(two, 2)) | (questions or {})) | more
    return dict(score=one + two, extra_data=extra)
def folder_of(place, results, summary=True):
    shutil.rmtree(place, ignore_errors=True)
    for name, r in results.items():
        (place/name).mkdir(parents=True); (place/name/'results.json').write_bytes(r if isinstance(r, bytes) else json.dumps(r).encode())
    if summary: (place/'summary.json').write_text(json.dumps(dict(assignment='task', results=[dict(submission=n, score=r['score'] if isinstance(r, dict) else 0) for n, r in results.items()])))
    return place

@pytest.fixture
def book(tmp_path):
    made = open_book(tmp_path/'book', create=True)
    yield made
    made.close()

def scores(book): return {(real_names(book.folder)[r['student']], r['question']): r['points'] for r in book.rows('select * from score') if r['question'] != 'why'}
def run(book, place, results, people=('ana', 'bo', 'cy'), **more): return import_points(book, TASK, folder_of(place, results, **more), people)


def with_one(**more): return result('ana', questions=dict(one=row(4, 4) | more))
DAMAGE = {'huge': (with_one(points=400), '400 points of 4 cannot be'), 'negative': (with_one(points=-1), '-1 points of 4 cannot be'), 'infinite': (json.dumps(result('ana')).replace('"points": 4', '"points": 1e999', 1).encode(), 'inf points of 4 cannot be'),
    'NaN': (json.dumps(result('ana')).replace('"points": 4', '"points": NaN', 1).encode(), 'holds NaN'), 'a million digits': (b'{"extra_data": ' + b'9'*10**6 + b'}', 'not JSON'), 'bool': (with_one(points=True), 'True points of 4 cannot be'),
    'text': (with_one(points='4'), '4 points of 4 cannot be'), 'more than its tests': (with_one(points=3), 'its tests add up to 4'), 'other maximum': (with_one(max_points=40), 'graded out of 40'), 'points for a failed test': (with_one(tests=[dict(passed=False, points=4, max_points=4)]), 'more points than it deserves'),
    'a million tests': (with_one(tests=[{}]*10_000), '10,000 tests cannot be'), 'unknown question': (result('ana', questions=dict(bonus=row(100, 100))), "question 'bonus' is not in the assignment"), 'missing question': (result('ana', questions=dict(one=None)), 'one: the row is damaged'),
    'wrong assignment': (result('ana', assignment='other'), "a result of the assignment 'other'"), 'stranger': (result('eve'), "'eve' is in no roster"), 'hash': (result('ana', sha256='../../x'), 'is damaged'), 'surrogate': (result('ana\ud800'), 'in no roster'), 'list': (b'[]', 'not a JSON object'),
    'cut': (json.dumps(result('ana')).encode()[:200], 'not JSON'), 'deep': (b'['*200_000, 'not JSON'), 'empty': (b'', 'not JSON'), 'binary': (b'\xff\xfe\x00', 'not JSON'), 'escape': (result('\x1b[2Jana'), 'in no roster'), 'not text': (result(['ana']), 'damaged')}

@pytest.mark.parametrize('kind', DAMAGE)
def test_damage_is_one_line_and_costs_nothing(book, tmp_path, kind):
    damaged, said = DAMAGE[kind]
    run(book, tmp_path/'graded', dict(ana=result('ana', 3, 1), bo=result('bo', 2, 2, 'b')))
    before = scores(book)
    lines, fine = run(book, tmp_path/'graded', dict(ana=damaged, bo=result('bo', 4, 0, 'b')))
    named = [line for line in lines if said in line]
    assert not fine and len(named) == 1 and named[0].startswith('         ana: ') and '\x1b' not in '\n'.join(lines), lines
    after = scores(book)
    assert after['bo', 'one'] == 4 and after['bo', 'two'] == 0  # the others are taken
    assert after['ana', 'one'] == before['ana', 'one'] or kind == 'unknown question' and after['ana', 'one'] == 4  # and nothing is lost
    assert set(real_names(book.folder).values()) == {'ana', 'bo'} and max(after.values()) <= 4


def test_damaged_summaries(book, tmp_path):
    place = tmp_path/'graded'
    for text, said in ((b'{', 'not JSON'), (b'{"results": 3}', 'damaged'), (b'{"results": [1]}', 'damaged'), (b'{"results": [{"submission": []}]}', 'damaged')):
        folder_of(place, dict(ana=result('ana'))); (place/'summary.json').write_bytes(text)
        lines, fine = import_points(book, TASK, place, ['ana'])
        assert not fine and sum('summary.json' in line and said in line for line in lines) == 1 and scores(book)['ana', 'one'] == 4, lines
    (place/'summary.json').write_text('{"assignment": "other", "results": []}')
    with pytest.raises(ValueError, match="results of the assignment 'other', not of 'task'"): import_points(book, TASK, place, ['ana'])
    folder_of(place, dict(ana=result('ana'), old=result('bo', sha='b'))); (place/'summary.json').write_text(json.dumps(dict(assignment='task', results=[dict(submission='ana', score=5), dict(submission='gone', score=1)])))
    lines, _ = import_points(book, TASK, place, ['ana', 'bo'])
    assert [sum(said in line for line in lines) for said in ('left over from an earlier batch', 'its results.json is missing', 'summary.json says 5')] == [1, 1, 1] and ('bo', 'one') not in scores(book)
    shutil.rmtree(place)
    with pytest.raises(ValueError, match='no results.json below'): import_points(book, TASK, place, ['ana'])


def test_a_link_is_not_followed(book, tmp_path):
    place = folder_of(tmp_path/'graded', dict(ana=result('ana')), summary=False)
    (tmp_path/'secret.json').write_text(json.dumps(result('bo', sha='b'))); (place/'bo').mkdir(); (place/'bo'/'results.json').symlink_to(tmp_path/'secret.json')
    lines, _ = import_points(book, TASK, place, ['ana', 'bo'])
    assert any('bo: no plain file' in line for line in lines) and ('bo', 'one') not in scores(book)


def test_newest_run_wins_and_hands_stay(book, tmp_path):
    place = tmp_path/'graded'
    run(book, place, dict(ana=result('ana', 1, 1)))
    run(book, place, dict(ana=result('ana', 2, 2)))
    assert scores(book)['ana', 'one'] == 2 and len(book.rows("select * from mark where source = 'auto'")) == 4
    key = pseudonyms(book.folder, ['ana'])['ana']
    open_regrade(book, 'one', key, 'Please look.', 'office')
    assert 'the regrade request is closed' in give_points(book, 'one', key, 3.5, 'ann', 'A matter of taste.')
    lines, _ = run(book, place, dict(ana=result('ana', 4, 0)))
    assert scores(book) == {('ana', 'one'): 3.5, ('ana', 'two'): 0} and sum(line.startswith('by hand  1 mark from persons') for line in lines) == 1
    lines, _ = run(book, place, dict(ana=result('ana', 0, 0, questions=dict(one=row(0, 4, answer='found elsewhere', tests=[dict(passed=False, points=0, max_points=4)])))))
    assert scores(book)['ana', 'one'] == 3.5  # the same submission, read in another way: the hand mark still counts
    assert undo(book, 'ann') and scores(book)['ana', 'one'] == 0
    give_points(book, 'one', key, 3, 'ann')
    lines, _ = run(book, place, dict(ana=result('ana', 1, 1, 'c', questions=dict(one=row(1, 4, answer='y = 2', tests=[dict(passed=True, points=1, max_points=4)])))))
    assert scores(book)['ana', 'one'] == 1 and any(line.startswith('look     1 mark by hand no longer count') for line in lines)  # other code: said, not silent


def test_flags_are_listed_until_a_person_decides(book, tmp_path):
    batch = dict(ana=result('ana', questions=dict(one=row(0, 4, ['3 of 4 tests: ran out of time'], tests=[dict(passed=False, points=0, max_points=4)]))), bo=result('bo', sha='b', sandbox='none'), cy=result('cy', 0, 0, 'c', ['not graded: no notebook'], problem='no notebook', questions={q: dict(points=0, max_points=m, tests=[], flags=[], answer='', for_a_person=False) for q, m in (('one', 4), ('two', 2))}))
    lines, fine = run(book, tmp_path/'graded', batch)
    told = '\n'.join(lines)
    assert fine and 'ana: one: 3 of 4 tests: ran out of time' in told and 'bo: one: run without a sandbox; two: run without a sandbox' in told and 'cy: no notebook' in told
    assert scores(book)['cy', 'one'] is None and scores(book)['bo', 'one'] == 4  # not graded is no zero
    assert {c['name']: (c['flagged'], c['open']) for c in code_cards(book)} == dict(one=(3, 1), two=(2, 1))
    key = pseudonyms(book.folder, [])
    give_points(book, 'one', key['ana'], 4, 'ann'); give_points(book, 'one', key['cy'], 0, 'ann'); give_points(book, 'two', key['cy'], 0, 'ann')
    assert [(r['student'], r['question']) for r in flagged_runs(book)] == [(key['bo'], 'one'), (key['bo'], 'two')]
    for r in book.rows("select id from latest where question = 'why'"): mark(book, {r['id']: 0}, [], 'ann')
    publish(book, tmp_path/'out', 'Task')
    assert 'Run without a sandbox' in (tmp_path/'out'/'feedback'/'bo.html').read_text() and 'sandbox' not in (tmp_path/'out'/'feedback'/'ana.html').read_text()


def test_two_notebooks_of_one_student(book, tmp_path):
    lines, fine = run(book, tmp_path/'graded', {'ana': result('ana'), 'ana-2': result('ana', 1, 1, 'b'), 'bo': result('bo', sha='c')})
    assert not fine and any('ana, ana-2: 2 notebooks of one student' in line for line in lines) and set(scores(book)) == {('bo', 'one'), ('bo', 'two')}


def test_the_book_knows_the_bytes(book, tmp_path):
    "Ids in results are claims: the file whose answers the book holds says whose it is."
    place = book.folder/'submissions'; place.mkdir()
    rows = [dict(student='ana', path='ana/x.ipynb', sha256='a'*64), dict(student='', path='nobody/y.ipynb', sha256='b'*64), dict(student='cy', path='cy/new.ipynb', sha256='d'*64)]
    (place/'submissions.jsonl').write_text('\n'.join(json.dumps(r) for r in rows))
    lines, fine = run(book, tmp_path/'graded', dict(bo=result('bo'), y=result('', sha='b'), cy=result('cy', sha='c')))
    assert not fine and any("bo: it says 'bo', but the book has this file from 'ana'" in line for line in lines)
    assert scores(book)['file:y.ipynb', 'one'] == 4 and any('cy: one: graded from another file than the one whose answers are in the book' in line for line in lines)


def test_an_older_book_is_brought_up_to_date(tmp_path):
    from alpaca_course.grading.book import TABLES, VIEWS
    (tmp_path/'book').mkdir(); db = connect(tmp_path/'book'/'grades.db')
    db.executescript('begin immediate;' + TABLES + VIEWS + 'pragma user_version = 1; commit;'); db.close()
    book = open_book(tmp_path/'book')
    assert run(book, tmp_path/'graded', dict(ana=result('ana')))[1] and scores(book)['ana', 'one'] == 4 and 'version-1' in backups(book.folder)[-1].name
    book.close()


@pytest.mark.parametrize('given', [-1, 4.5, float('nan'), float('inf'), 10**400, True, '3'])
def test_points_by_hand_stay_within_the_question(book, tmp_path, given):
    run(book, tmp_path/'graded', dict(ana=result('ana')))
    with pytest.raises(ValueError, match='has 0 to 4 points'): give_points(book, 'one', pseudonyms(book.folder, [])['ana'], given, 'ann')
    with pytest.raises(ValueError, match='marked by items'): give_points(book, 'why', pseudonyms(book.folder, [])['ana'], 1, 'ann')
    with pytest.raises(ValueError, match='has no rubric items'): mark(book, {book.rows("select id from latest where question = 'one'")[0]['id']: 1}, [], 'ann')  # Enter on the page is no zero
    assert scores(book)['ana', 'one'] == 4


def test_text_alone_can_be_published(book, tmp_path):
    run(book, tmp_path/'graded', dict(ana=result('ana')))
    for r in book.rows("select id from latest where question = 'why'"): mark(book, {r['id']: 0}, [], 'ann')
    lines = publish(book, tmp_path/'out', 'Task', text_only=True)
    assert 'left out: totals are of the text questions alone (6 points of 2 code questions are missing)' in lines[-1]
    assert (tmp_path/'out'/'scores.csv').read_text().splitlines() == ['student,name,why,total,possible', 'ana,,0,0,1']
    book.close()
    publish_command(options(publish_arguments, '--book', tmp_path/'book', '--title', 'Task', '--out', tmp_path/'again'))
    assert (tmp_path/'again'/'scores.csv').read_text().splitlines()[1] == 'ana,,4,2,0,6,7'


def test_killed_in_the_middle_is_all_or_nothing(book, tmp_path, monkeypatch):
    import alpaca_course.grading.intake as intake
    run(book, tmp_path/'graded', dict(ana=result('ana', 1, 1)))
    real, seen = intake.put_run, []
    def third(*args):
        seen.append(1)
        if len(seen) == 3: raise KeyboardInterrupt
        return real(*args)
    monkeypatch.setattr(intake, 'put_run', third)
    before = scores(book)
    with pytest.raises(KeyboardInterrupt): run(book, tmp_path/'graded', dict(ana=result('ana', 4, 2), bo=result('bo', sha='b')))
    assert scores(book) == before
    monkeypatch.setattr(intake, 'put_run', real)
    assert run(book, tmp_path/'graded', dict(ana=result('ana', 4, 2), bo=result('bo', sha='b')))[1] and scores(book)['bo', 'two'] == 2 and scores(book)['ana', 'one'] == 4


def test_a_class_of_500(book, tmp_path):
    batch = {f'x{i:03}': result(f'x{i:03}', i % 5, i % 3, f'{i:064x}'[-1], sha256=f'{i:064x}') for i in range(500)}
    lines, fine = run(book, tmp_path/'graded', batch, people=list(batch))
    assert fine and f'points   1000 marks from tests: 1000 new or changed, 0 as before' in lines and scores(book)['x499', 'one'] == 4
    assert '0 new or changed, 1000 as before' in '\n'.join(run(book, tmp_path/'graded', batch, people=list(batch))[0])


@pytest.mark.parametrize('module, name', [('intake', 'points'), ('judging', 'judge')])
def test_help_loads_nothing_heavy(module, name):
    import subprocess, sys
    code = f"import argparse, sys\nfrom alpaca_course.grading.{module} import {name}_arguments\np = argparse.ArgumentParser(); {name}_arguments(p); p.format_help()\nprint(sorted({{'torch', 'numpy', 'matplotlib', 'openai', 'starlette'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == '[]\n'
