"What the lessons on the book and on marks cannot test: real processes that die, two writers at once, files that are damaged in many ways."
import random, signal, sqlite3, subprocess, sys
from types import SimpleNamespace as New

import pytest

from alpaca_course.grading.book import Damaged, backup, backups, dump, open_book, real_names, restore_backup, restore_dump
from alpaca_course.grading.intake import read_submissions_into
from alpaca_course.grading.marks import Conflict, add_answer, add_answers, add_item, edit_item, mark, sync_rubric, undo
from alpaca_course.grading.sheets import import_sheet, write_sheet
from alpaca_course.grading.stacks import normal, stacks

ITEMS = [New(id=name, text=name, points=points, guideline='') for name, points in (('cheap', 1), ('errors', 2), ('rude', -1))]
QUESTIONS = [New(name='data', kind='text', title='Data', points=3, prompt='?', solution='!', items=ITEMS)]


@pytest.fixture
def book(tmp_path):
    found = open_book(tmp_path/'book', create=True)
    sync_rubric(found, New(questions=QUESTIONS))
    add_answers(found, [New(student=f's{i}', question='data', text=f'text {i}', file=f's{i}.md', aligned_by='', sure=True, problem='') for i in range(20)])
    yield found
    found.close()

def start(program, *args): return subprocess.Popen([sys.executable, '-c', program, *map(str, args)], stdout=subprocess.PIPE, text=True)


MARKING = """
import sys
from alpaca_course.grading.marks import mark, open_book
book, seen = open_book(sys.argv[1]), {}
for i in range(100_000):  # never done: it is killed
    answer = 1 + i % 20
    seen.update(mark(book, {answer: seen.get(answer, 0)}, [1 + i % 3], 'ann', f'mark {i}'))
    print(i, seen[answer], flush=True)
"""

@pytest.mark.parametrize('after', [1, 137, 500])
def test_killed_in_the_middle_of_many_marks(book, after):
    process = start(MARKING, book.folder)
    said = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().splitlines()
    assert process.wait() == -signal.SIGKILL
    acknowledged = dict(map(int, line.split()) for line in said if len(line.split()) == 2)
    assert after <= len(acknowledged)
    again = open_book(book.folder)
    kept = {r['id']: r['comment'] for r in again.rows('select id, comment from mark')}
    assert all(kept.get(number) == f'mark {i}' for i, number in acknowledged.items())
    assert len(kept) - len(acknowledged) in (0, 1)  # at most the one that was written and not yet said
    again.close()


COUNTING = """
import sys
from alpaca_course.grading.marks import Conflict, mark, open_book
book, done, conflicts = open_book(sys.argv[1]), 0, 0
while done < 100:
    newest = book.rows('select coalesce(max(id), 0) n from mark where answer = 1')[0]['n']
    said = book.rows('select comment from mark where id = ?', newest)
    try: mark(book, {1: newest}, [], sys.argv[2], str(int(said[0]['comment'] if said else 0) + 1)); done += 1
    except Conflict: conflicts += 1
print(conflicts)
"""

def test_two_processes_lose_no_update(book):
    "Each mark counts one further than the newest it saw: with a lost update the end would be below 200."
    two = [start(COUNTING, book.folder, name) for name in ('ann', 'ben')]
    conflicts = [int(p.communicate(timeout=900)[0]) for p in two]
    comments = [int(r['comment']) for r in book.rows('select comment from mark order by id')]
    assert comments == list(range(1, 201)), conflicts


def test_a_book_is_not_seen_half_written_and_a_reader_does_not_wait(book):
    other = open_book(book.folder)
    with book.writing() as db:
        db.execute("insert into mark (answer, grader, at, source, round, items, comment, batch) values (1, 'ann', '', 'human', 'grading', '[]', '', '')")
        assert other.rows('select count(*) n from mark')[0]['n'] == 0
    assert other.rows('select count(*) n from mark')[0]['n'] == 1
    other.close()


def damage_header(data): data[:100] = b'x'*100
def damage_middle(data): data[4096*3:4096*6] = b'\xff'*4096*3
def damage_cut(data): del data[len(data)//2:]
def damage_empty(data): data.clear()
def damage_text(data): data[:] = b'This is not a database at all.'*200

@pytest.mark.parametrize('damage', [damage_header, damage_middle, damage_cut, damage_empty, damage_text])
def test_damage_is_refused_and_the_backup_brings_it_back(book, damage):
    for i in range(1, 15): mark(book, {i: 0}, [1, 2], 'ann', 'c'*200)
    old, new = backup(book, 'one'), backup(book, 'two')
    before = book.rows('select * from score')
    book.close()
    path = book.folder/'grades.db'
    for name in ('grades.db-wal', 'grades.db-shm'): (book.folder/name).unlink(missing_ok=True)
    data = bytearray(path.read_bytes()); damage(data); path.write_bytes(data)
    with pytest.raises(Damaged, match='Nothing was changed') as e: open_book(book.folder, create=True)
    assert str(new) in str(e.value) and '--restore' in str(e.value)
    assert path.read_bytes() == bytes(data)
    kept = restore_backup(book.folder, new)
    assert kept.read_bytes() == bytes(data)
    again = open_book(book.folder)
    assert again.rows('select * from score') == before
    again.close()
    assert backups(book.folder) == [new, old]


def test_a_damaged_backup_is_not_put_in_place(book, tmp_path):
    saved = backup(book, 'x')
    data = bytearray(saved.read_bytes()); data[5000:9000] = b'\0'*4000; saved.write_bytes(data)
    before = (book.folder/'grades.db').read_bytes()
    with pytest.raises(ValueError, match='choose another backup'): restore_backup(book.folder, saved)
    with pytest.raises(ValueError): restore_backup(book.folder, tmp_path/'none.db')
    assert (book.folder/'grades.db').read_bytes() == before


def test_backup_while_marking(book):
    process = start(MARKING, book.folder)
    for _ in range(50): process.stdout.readline()
    copies = []
    for _ in range(5):
        saved = backup(book, 'busy')
        db = sqlite3.connect(saved)
        assert db.execute('pragma integrity_check').fetchone() == ('ok',)
        copies.append(db.execute('select count(*) from mark').fetchone()[0]); db.close()
    process.kill(); process.communicate()
    assert copies == sorted(copies) and copies[0] >= 50


def test_dump_and_restore_keep_every_row_and_score(book, tmp_path):
    rng = random.Random(0)
    with book.writing() as db: add_answer(db, 'data', 'S-ODD', 'quotes " \' \\ \u2028 \x01 emoji \U0001f999 \ud800 end\r\nline')
    for i in range(1, 22): mark(book, {i: 0}, rng.sample([1, 2, 3], rng.randrange(4)), 'ann', 'ü "x"\n')
    undo(book, 'ann'); edit_item(book, 2, 'ben', points=1.25, text='new\ntext'); add_item(book, 'data', 'extra', .5, 'ben')
    dump(book, tmp_path/'dump.jsonl')
    again = restore_dump(tmp_path/'dump.jsonl', tmp_path/'again')
    for table in ('score', 'mark', 'item', 'answer', 'rubric_change'): assert again.rows(f'select * from {table}') == book.rows(f'select * from {table}')
    assert dump(again, tmp_path/'second.jsonl') and (tmp_path/'second.jsonl').read_bytes() == (tmp_path/'dump.jsonl').read_bytes()
    again.close()
    lines = (tmp_path/'dump.jsonl').read_text().splitlines(keepends=True)
    for bad in ([*lines[:5], lines[5][:20] + '\n', *lines[6:]], lines[1:], [*lines, lines[-1]], ['[]\n'], [*lines[:3], '{"table": "sqlite_master"}\n', *lines[4:]]):
        (tmp_path/'bad.jsonl').write_text(''.join(bad))
        with pytest.raises(ValueError): restore_dump(tmp_path/'bad.jsonl', tmp_path/'bad')
        assert not (tmp_path/'bad'/'grades.db').exists()


def test_scores_against_a_plain_computation(book):
    "Random marks, undos, rubric changes: the view agrees with adding up by hand."
    rng, plain, points, stack = random.Random(3), {}, {1: 1.0, 2: 2.0, 3: -1.0}, []
    newest = lambda a: book.rows('select coalesce(max(id), 0) n from mark where answer = ?', a)[0]['n']
    for _ in range(250):
        what = rng.random()
        if what < .7:
            answers = rng.sample(range(1, 21), rng.choice([1, 1, 1, 4])); items = rng.sample([1, 2, 3], rng.randrange(4))
            stack.append({a: plain.get(a) for a in answers}); plain.update({a: items for a in answers})
            mark(book, {a: newest(a) for a in answers}, items, 'ann')
        elif what < .85:
            undone = undo(book, 'ann')
            if stack: old = stack.pop(); assert sorted(undone) == sorted(old); plain.update(old)
            else: assert undone == []
        else: i = rng.randrange(1, 4); points[i] = rng.choice([-2, -.5, 0, .25, 1, 5]); edit_item(book, i, 'ann', points=points[i])
        want = {a: None if held is None else max(0, min(3, sum(points[i] for i in held))) for a, held in plain.items()}
        assert {r['answer']: r['points'] for r in book.rows('select answer, points from score') if r['answer'] in want} == want


def test_a_new_upload_is_unmarked_and_the_old_marks_stay(book):
    mark(book, {1: 0}, [1], 'ann')
    student = real_names(book.folder)[book.rows('select student from answer where id = 1')[0]['student']]
    assert add_answers(book, [New(student=student, question='data', text='second thoughts', file='x', aligned_by='', sure=True, problem='')]) == 1
    assert sum(r['points'] is not None for r in book.rows('select points from score')) == 0 and len(backups(book.folder)) == 1
    assert book.rows('select count(*) n from mark')[0]['n'] == 1 and len(book.rows('select * from score')) == 20


def test_an_automatic_mark_counts_until_a_person_marks(book):
    mark(book, {1: 0}, [], 'tests', source='auto', points=1.5)
    score = lambda: book.rows('select points, source from score where answer = 1')[0]
    assert score() == dict(points=1.5, source='auto')
    mark(book, {1: 1}, [1, 2], 'ann'); assert score() == dict(points=3, source='human')
    undo(book, 'ann'); assert score() == dict(points=1.5, source='auto')
    assert undo(book, 'tests') == []


def test_the_cohort_comes_in_once(tmp_path):
    from alpaca_course.grading.assignment import find_assignment, read_assignment
    from alpaca_course.grading.cohort import cohort_folder, read_cohort, write_cohort
    assignment, pupils = read_assignment(find_assignment('reading')), read_cohort()[:12]
    book = open_book(tmp_path/'book', create=True); sync_rubric(book, assignment)
    (tmp_path/'files').mkdir(); write_cohort(assignment, tmp_path/'files', pupils)
    read = lambda: read_submissions_into(book, assignment, str(tmp_path/'files'), str(cohort_folder()/'roster.csv'))
    first = read()
    assert first.endswith(f'{12*7} new answers') and '0 of nobody' in first
    texts = b''.join(p.read_bytes() for p in sorted(book.folder.glob('grades.db*')))
    assert not any(f'{p.id}_reading'.encode() in texts or p.name.encode() in texts for p in pupils)  # neither file names nor names in the graders' book
    assert read().endswith('0 new answers')
    book.close()


def test_stacks_share_only_what_may_be_shared():
    "Every pair in a near-identical stack is near, negations and numbers agree, and all ids are there once."
    from alpaca_course.grading.stacks import NEAR, SHORT, essence, similarity
    rng = random.Random(1)
    bases = ['the seed tasks were written by people', 'it is cheap and not slow', 'about 52000 records were kept', 'people wrote 175 tasks by hand']
    def slip(t):
        i = rng.randrange(len(t)); return t[:i] + rng.choice(['', t[i]*2, rng.choice('abcdefghij 0123 ')]) + t[i + 1:]
    texts = {i: slip(rng.choice(bases)) if i % 3 else rng.choice([*bases, '', ' - ']) for i in range(300)}
    found = stacks(texts)
    assert sorted(i for s in found for i in s.ids) == sorted(texts)
    assert {'blank', 'identical', 'near-identical', 'single'} <= {s.kind for s in found} | {'identical'}
    for s in found:
        plain = {normal(texts[i]) for i in s.ids}
        if s.kind == 'identical': assert len(plain) == 1
        if s.kind == 'near-identical':
            assert all(similarity(a, b) >= NEAR and essence(a) == essence(b) and len(a.split()) <= SHORT for a in plain for b in plain)


def test_a_sheet_survives_spreadsheets(book, tmp_path):
    write_sheet(book, 'data', 'ann', tmp_path/'s.csv')
    lines = (tmp_path/'s.csv').read_text(encoding='utf-8-sig').splitlines()
    changed = [lines[0], *(l.rsplit(',', 4)[0] + (',1,0,FALSE,"fine, good"' if n % 2 else ',,,,') for n, l in enumerate(lines[1:]))]
    (tmp_path/'back.csv').write_bytes('\r\n'.join(changed).encode('utf-16'))
    done = import_sheet(book, 'data', tmp_path/'back.csv', 'ann')
    assert (done.marks, done.unchanged, done.conflicts) == (10, 10, []) and len(backups(book.folder)) == 1
    done = import_sheet(book, 'data', tmp_path/'back.csv', 'ben')  # the same old sheet again: all it would change has moved on
    assert (done.marks, len(done.conflicts)) == (0, 10)
