"Suggestions beside the page: what teaches them, their helper program, the blind re-read and what it allows, in the book and out of it. The page itself: test_page_lanes.py."
import json, os, re, signal, subprocess, sys, time
from pathlib import Path
from types import SimpleNamespace as New

import pytest

from alpaca_course.grading import lanes as module
from alpaca_course.grading.agreement import compared
from alpaca_course.grading.features import prepare
from alpaca_course.grading.lanes import Found, Helper, Lanes, counts, realised, spot, stamp, status, task_of, teaching
from alpaca_course.grading.marks import Conflict, add_answers, add_item, dump, edit_item, mark, open_book, pseudonyms, restore_dump, undo
from alpaca_course.grading.publish import feedback_html, feedback_markdown, grader_rows, marks_report, score_table, student_results
from alpaca_course.grading.reread import (Suggestions, accept_green, acceptable, accepted, begin_reread, decide, full_items, green_stack, left, open_reread, reread_number, take_back, to_read, unmarked)
from alpaca_course.grading.stacks import shuffled
from alpaca_course.grading.views import FOLD, shown
from lanes_class import HOSTILE, give, made_up_book


@pytest.fixture
def book(tmp_path):
    found, earned = made_up_book(tmp_path/'book', more=HOSTILE)
    yield New(book=found, earned=earned, folder=tmp_path/'book', full=[i for i, e in earned.items() if len(e) == 4], rest=[i for i, e in earned.items() if len(e) < 4])
    found.close()


def said_green(ids, rest=()):
    "What a helper might say: these are green, those are amber."
    said = {i: ('green', 3.5, 4., ()) for i in ids} | {i: ('amber', 1., 3., ()) for i in rest}
    return Found(0, tuple(said), said, tuple(said), {}, {}, (), 12, 0, .8, 1.)


def passed(b, n=30, grader='ann', seed=1):
    "A re-read of the first `n` full answers that passed, and the helper's word."
    found = said_green(b.full[:n], b.rest)
    row = begin_reread(b.book, found, 'data', grader, seed)
    give(b.book, to_read(row), b.earned, grader)
    return decide(b.book, row['id']), found


# ---- what teaches
def row(answer, text, points=4., source='human', looked=0): return dict(answer=answer, text=text, points=points, source=source, mark=1, looked=looked)

def test_only_marks_given_freely_by_people_teach_once_a_text_and_not_without_end():
    rows = [row(1, 'It is cheap.'), row(2, 'it is  CHEAP'), row(3, '  '), row(4, 'n/a', 0), row(5, 'Errors.', source='suggested-accepted'), row(6, 'Biases.', source='auto'), row(7, 'Checked.', looked=1), row(8, 'Open.', None, None)]
    assert teaching(rows) == {1: 4.}
    many = [row(i, f'answer number {i}', i % 5) for i in range(500)]
    assert len(teaching(many)) == module.MOST_MARKS and teaching(many).items() <= teaching(many[:250]).items() | teaching(many[250:]).items()
    assert len(teaching(many[:100])) == 100

def test_a_mark_after_a_look_does_not_teach(book):
    first, second = book.full[:2]
    give(book.book, [first, second], book.earned)
    assert len(task_of(book.book, 'data').graded) == 2
    book.book.db.execute("insert into hint (answer, grader, at, lane, low, high) values (?, 'ann', '', 'green', 3, 4)", (first,))
    assert list(task_of(book.book, 'data').graded) == [task_of(book.book, 'data').ids.index(second)]
    give(book.book, [first], book.earned, 'ben')             # ben did not look
    assert len(task_of(book.book, 'data').graded) == 2

def test_calibration_marks_do_not_teach(book):
    mark(book.book, {book.full[0]: 0}, [], 'ann', round='calibration')
    assert task_of(book.book, 'data').graded == {}

def test_no_task_without_anything_to_compare_with(book):
    with book.book.writing() as db: db.execute("update question set solution = ' '")
    assert task_of(book.book, 'data').texts['key_points'][0].startswith('Generated data is cheap')     # the rubric's items
    assert task_of(book.book, 'data', {'data': ['One thing.']}).texts['key_points'] == ['One thing.']
    for item in full_items(book.book, 'data'): edit_item(book.book, item, 'ann', retired=1)
    assert task_of(book.book, 'data') is None and not Lanes(book.book).offered(book.book, 'data')
    with book.book.writing() as db: db.execute("update question set solution = 'x', kind = 'code'")
    assert task_of(book.book, 'data') is None


# ---- places in the browser's copy
NASTY = ['plain words here. And more of them. ' * 3, 'one\u200btwo is cheap. \u202edesrever data\u2066 is copied. Errors too.', '\U0001f999 llamas are cheap. \U0001f468\u200d\U0001f469 errors are copied.\u3164 Nobody checks.', 'é\u0301\u0300 is cheap.\r\nErrors.\r\n\x07Bell.', 'a' * 5990 + ' It is cheap. ' + 'Errors are copied. ' * 3]

@pytest.mark.parametrize('text', NASTY)
def test_places_fit_the_text_as_the_browser_has_it(text):
    page = shown(text).encode('utf-16-le')
    n = 0
    for start in range(0, len(text), 7 if len(text) < 300 else 499):
        for end in range(start + 1, len(text) + 1, 11 if len(text) < 300 else 499):
            place = spot(text, start, end)
            if end > FOLD: assert place is None; continue
            assert page[2*place[0]:2*place[1]].decode('utf-16-le') == shown(text[start:end]); n += 1
    assert n > 8 and spot(text, 3, 3) is None


# ---- the helper program
def test_the_helper_answers_line_by_line_and_survives_what_it_cannot_do(book):
    helper, task = Helper(), task_of(book.book, 'data')
    try:
        texts = helper.texts(task)
        assert helper.texts(task_of(book.book, 'data')) is texts                       # nothing is sent twice
        assert len(texts['flags']) == 63 and any('speaks to the grader' in f for f in texts['flags'][61])
        with pytest.raises(ValueError, match='lie between 0 and 4'): helper.ask(dict(name='data', graded={'0': 5}, others={}))
        reply = helper.ask(dict(name='data', graded={str(n): len(book.earned[task.ids[n]]) for n in range(20)}, others={}))
        lanes = [lane for lane, *_ in reply['found']]
        assert lanes.count('green') > 5 and lanes[60:] == ['none'] * 3 and lanes[:20] == ['none'] * 20 and reply['marks'] == 20
        helper.process.kill()
        for _ in range(2):     # while it dies, and when nobody reads any more
            with pytest.raises(OSError, match='ended'): helper.ask(dict(name='data', graded={}, others={}))
            helper.process.wait()
    finally: helper.close()

def test_a_stuck_helper_is_ended(monkeypatch):
    monkeypatch.setattr(module, 'PATIENCE', .3)
    helper = Helper()
    helper.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OSError, match='ended'): helper.ask(dict(name='x', question='', reference='', key_points=[], answers=['a'] * 3, most=1))
    finally: helper.close()

def test_grading_goes_on_when_the_helper_cannot_be_started(book, monkeypatch):
    def broken(): raise OSError('no such program')
    monkeypatch.setattr(module, 'Helper', broken)
    lanes = Lanes(book.book, pause=0)
    for n in range(5): lanes.touch('data'); time.sleep(.05)
    for _ in range(30_000):
        if lanes.failures == 3: break
        lanes.touch('data'); time.sleep(.02)
    assert 'switched off now' in lanes.trouble['data'] and lanes.failures == 3 and 'Grading goes on' in status(None, lanes.trouble['data'])
    give(book.book, book.full[:1], book.earned)
    assert lanes.marked('data', 'ann', {book.full[0]: 1}) is None
    lanes.stop()

@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL')
def test_no_helper_stays_when_the_page_is_killed(book):
    code = f'''import sys, time
from alpaca_course.grading.book import open_book
from alpaca_course.grading import lanes
plain = lanes.Helper.__init__
def told(self): plain(self); print(self.process.pid, flush=True)
lanes.Helper.__init__ = told
found = lanes.Lanes(open_book({str(book.folder)!r})); found.touch('data'); time.sleep(100)'''
    page = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    pid = int(page.stdout.readline())
    page.kill(); page.wait(); page.stdout.close()
    for _ in range(12_000):  # it ends when it has read to the end of its input: at its nice value that may take a while
        try: os.kill(pid, 0)
        except ProcessLookupError: break
        if Path(f'/proc/{pid}/stat').exists() and Path(f'/proc/{pid}/stat').read_text().split(')')[1].split()[0] == 'Z': break
        time.sleep(.05)
    else: pytest.fail('the helper is still there')

def test_suggestions_load_nothing_heavy_into_the_page():
    code = """import sys, alpaca_course.grading.page
before = set(sys.modules)
import alpaca_course.grading.lanes, alpaca_course.grading.reread
more = {name.split('.')[0] for name in set(sys.modules) - before}
assert not more & {'numpy', 'scipy', 'rapidfuzz', 'torch', 'matplotlib'}, more
assert not {'alpaca_course.grading.lanes', 'alpaca_course.grading.features', 'alpaca_course.grading.suggest'} & before, 'without --suggest not even their code is loaded'"""
    subprocess.run([sys.executable, '-c', code], check=True)


# ---- suggestions of a class
@pytest.fixture(scope='module')
def taught(tmp_path_factory):
    "A class of 63 with twenty marks in the grader's own order, and what the real helper says of it, before and after."
    book, earned = made_up_book(tmp_path_factory.mktemp('taught')/'book', more=HOSTILE)
    lanes = Suggestions(book, pause=0)
    early = lanes.ready(book, 'data')
    give(book, shuffled(earned, 'data', 'ann')[:20], earned)
    yield New(book=book, earned=earned, early=early, found=lanes.ready(book, 'data'), lanes=lanes)
    lanes.stop(); book.close()

def test_before_enough_marks_there_is_an_order_and_no_lane(taught):
    assert set(counts(taught.early, taught.earned).values()) == {0, 63} and 'needs 3 marks' in status(taught.early)
    weak = taught.early.order[:20]
    assert len(taught.early.order) == 63 and sum(len(taught.earned[i]) <= 2 for i in weak) >= 16

def test_lanes_follow_the_marks_and_flagged_answers_have_none(taught):
    open_ids, found = unmarked(taught.book, 'data'), taught.found
    green = green_stack(taught.book, found, 'data')
    assert len(green) > 8 and sum(len(taught.earned[i]) == 4 for i in green) >= .9 * len(green)
    assert all(found.said[i][0] == 'none' for i, f in found.flags.items() if f) and sum(counts(found, open_ids).values()) == 43
    assert all(lane == 'none' or 0 <= low <= high <= 4 for lane, low, high, _ in found.said.values())
    assert 'From ' in status(found) and 'foretold from the others' in status(found)

def test_what_was_suggested_before_a_mark_is_kept_and_counted(taught):
    assert realised(taught.book, 'data') == 'No mark was made yet where a suggestion was ready.'
    ids = [i for i in unmarked(taught.book, 'data') if taught.found.said[i][0] != 'none'][:6]
    for i in ids: taught.lanes.told(taught.book, 'ann', {i: give(taught.book, [i], taught.earned)[0]})
    taught.lanes.ready(taught.book, 'data')
    assert re.match(r'Marks made where a suggestion was ready and not looked at: \d of 6 \(', realised(taught.book, 'data'))
    taught.book.db.execute("insert into hint (answer, grader, at, lane, low, high) values (?, 'ann', '', 'red', 0, 1)", (ids[0],))
    assert ' of 5 (' in realised(taught.book, 'data')

def test_marks_while_the_helper_writes_its_notes(taught):
    rest = [i for i in unmarked(taught.book, 'data')]
    for i in rest:
        taught.lanes.told(taught.book, 'ben', {i: give(taught.book, [i], taught.earned, 'ben')[0]})
    assert not unmarked(taught.book, 'data') and taught.lanes.ready(taught.book, 'data').since == stamp(taught.book) and not taught.lanes.trouble


# ---- the blind re-read
def test_a_reread_is_a_random_tenth_mixed_with_others(book):
    found = said_green(book.full, book.rest)
    row = begin_reread(book.book, found, 'data', 'ann', seed=5)
    assert len(row['chosen']) == len(row['beside']) == max(5, -(-len(book.full) // 10)) and set(row['chosen']) <= set(book.full) and not set(row['beside']) & set(book.full)
    assert left(book.book, row) == to_read(row) == to_read(reread_number(book.book, row['id'])) and sorted(to_read(row)) != to_read(row)
    with pytest.raises(ValueError, match='going on'): begin_reread(book.book, found, 'data', 'ben')
    give(book.book, to_read(row)[:3], book.earned)
    with pytest.raises(ValueError, match='7 of 10'): decide(book.book, row['id'])
    undo(book.book, 'ann', question='data')
    assert len(left(book.book, row)) == 8
    assert {tuple(begin_reread(*made(book, i))['chosen']) for i in range(2)} != {tuple(row['chosen'])}

def made(b, seed):
    decide(b.book, open_reread(b.book, 'data')['id'], give_up=True)
    with b.book.writing() as db: db.execute('update reread set passed = null')         # so that the same stack may be drawn again
    return b.book, said_green(b.full, b.rest), 'data', 'ann', seed

def test_a_passed_reread_allows_full_marks_for_the_rest_of_its_stack_and_nothing_else(book):
    row, found = passed(book)
    ids = acceptable(book.book, row, found)
    assert row['passed'] == 1 and set(ids) == set(book.full[:30]) - set(row['chosen'])
    for extra in (book.full[-1] if len(book.full) > 30 else book.rest[0], book.rest[0], row['chosen'][0]):
        with pytest.raises(ValueError, match='not in the green stack'): accept_green(book.book, row['id'], dict.fromkeys([*ids, extra], 0), found, 'ann')
    with pytest.raises(ValueError, match='nothing is left'): accept_green(book.book, row['id'], {}, found, 'ann')
    assert not book.book.rows("select * from mark where source <> 'human'")
    some = ids[1:]                                                                    # one was left out
    marks = accept_green(book.book, row['id'], dict.fromkeys(some, 0), found, 'ann')
    assert set(marks) == set(some) and ids[0] in unmarked(book.book, 'data')
    rows = book.book.rows("select distinct s.points, m.source, m.batch, s.items from score s join mark m on m.id = s.mark where m.source = 'suggested-accepted'")
    assert [(r['points'], json.loads(r['items'])) for r in rows] == [(4, full_items(book.book, 'data'))]
    with pytest.raises(ValueError, match='only once'): accept_green(book.book, row['id'], {ids[0]: 0}, found, 'ann')

def test_accepted_marks_follow_the_rubric_like_all_others(book):
    row, found = passed(book)
    ids = acceptable(book.book, row, found)
    accept_green(book.book, row['id'], dict.fromkeys(ids, 0), found, 'ann')
    edit_item(book.book, full_items(book.book, 'data')[0], 'ann', points=.5)
    assert {r['points'] for r in accepted(book.book, reread_number(book.book, row['id']))} == {3.5}

def test_one_step_takes_all_of_it_back(book):
    row, found = passed(book)
    ids = acceptable(book.book, row, found)
    accept_green(book.book, row['id'], dict.fromkeys(ids, 0), found, 'ann')
    assert undo(book.book, 'ann', question='data') == ids and set(ids) <= set(unmarked(book.book, 'data'))      # by the key, when it was the last thing done

def test_later_marks_of_people_stay_when_a_batch_is_taken_back(book):
    row, found = passed(book)
    ids = acceptable(book.book, row, found)
    accept_green(book.book, row['id'], dict.fromkeys(ids, 0), found, 'ann')
    give(book.book, ids[:2], dict.fromkeys(ids, [0]), 'ben')
    assert take_back(book.book, row['id'], 'ben') == ids[2:] and take_back(book.book, row['id'], 'ben') == []
    assert [r['points'] for r in book.book.rows(f"select points from score where answer in ({ids[0]}, {ids[1]})")] == [1, 1] and set(unmarked(book.book, 'data')) >= set(ids[2:])

def test_a_failed_reread_closes_its_stack_for_good(book):
    found = said_green(book.full[:25] + book.rest[:15])                                  # a lane that does not deserve it
    row = begin_reread(book.book, found, 'data', 'ann', seed=2)
    give(book.book, to_read(row), book.earned)
    row = decide(book.book, row['id'])
    assert row['passed'] == 0 and 'read the whole lane' in row['said'] and acceptable(book.book, row, found) == []
    with pytest.raises(ValueError, match='only a passed'): accept_green(book.book, row['id'], {book.full[0]: 0}, found, 'ann')
    assert green_stack(book.book, found, 'data') == []
    with pytest.raises(ValueError, match='decided already'): decide(book.book, row['id'])

def test_giving_up_is_failing(book):
    found = said_green(book.full)
    row = begin_reread(book.book, found, 'data', 'ann')
    assert decide(book.book, row['id'], give_up=True)['passed'] == 0 and green_stack(book.book, found, 'data') == []

def test_somebody_elses_mark_makes_it_void(book):
    found = said_green(book.full, book.rest)
    row = begin_reread(book.book, found, 'data', 'ann')
    give(book.book, row['chosen'][:1], book.earned, 'ben'); give(book.book, left(book.book, row), book.earned)
    row = decide(book.book, row['id'])
    assert row['passed'] is None and 'marked by ben' in row['said'] and acceptable(book.book, row, found) == []
    assert len(green_stack(book.book, found, 'data')) == len(book.full) - len(row['chosen'])     # another one may be begun

def test_an_answer_handed_in_anew_makes_it_void_and_is_never_accepted(book):
    found = said_green(book.full, book.rest)
    row = begin_reread(book.book, found, 'data', 'ann', seed=1)
    names = {v: k for k, v in pseudonyms(book.folder, []).items()}
    who = lambda i: names[book.book.rows('select student from answer where id = ?', i)[0]['student']]
    outside = next(i for i in book.full if i not in row['chosen'])
    new = lambda i: add_answers(book.book, [New(student=who(i), question='data', text='Something else.', file='x', aligned_by='', sure=True, problem='')])
    give(book.book, to_read(row), book.earned)
    new(outside)
    decided = decide(book.book, row['id'])
    assert decided['passed'] == 1 and outside not in acceptable(book.book, decided, found)
    new(row['chosen'][0])
    with pytest.raises(ValueError, match='handed in anew'): accept_green(book.book, row['id'], dict.fromkeys(acceptable(book.book, decided, found), 0), found, 'ann')

def test_marks_or_a_rubric_that_change_after_the_reread_count(book):
    row, found = passed(book)
    ids = dict.fromkeys(acceptable(book.book, row, found), 0)
    give(book.book, row['chosen'][:1], dict.fromkeys(row['chosen'], [0]))                # on second thoughts: one point
    with pytest.raises(ValueError, match='does not pass'): accept_green(book.book, row['id'], ids, found, 'ann')
    give(book.book, row['chosen'][:1], book.earned)
    extra = add_item(book.book, 'data', 'Gives an example.', 1, 'ann')
    with pytest.raises(ValueError, match='add up to 5'): accept_green(book.book, row['id'], ids, found, 'ann')
    edit_item(book.book, extra, 'ann', retired=1)
    with pytest.raises(ValueError, match='not in the green stack'): accept_green(book.book, row['id'], ids, said_green([], book.full), 'ann')   # the lane has changed
    give(book.book, list(ids)[:1], book.earned, 'ben')
    with pytest.raises(ValueError, match='not in the green stack'): accept_green(book.book, row['id'], ids, found, 'ann')
    rest = dict.fromkeys(list(ids)[1:], 7)
    with pytest.raises(Conflict): accept_green(book.book, row['id'], rest, found, 'ann')    # a version that was never there
    assert not reread_number(book.book, row['id'])['batch'] and not book.book.rows("select * from mark where source <> 'human'")

def test_small_stacks_and_open_rubrics_are_refused(book):
    with pytest.raises(ValueError, match='just read them'): begin_reread(book.book, said_green(book.full[:5]), 'data', 'ann')
    with pytest.raises(ValueError, match='nothing to accept'): begin_reread(book.book, None, 'data', 'ann')
    with pytest.raises(ValueError, match="no question 'other'"): begin_reread(book.book, None, 'other', 'ann')
    add_item(book.book, 'data', 'Gives an example.', 1, 'ann')
    with pytest.raises(ValueError, match='do not say which items hold'): begin_reread(book.book, said_green(book.full), 'data', 'ann')

def test_looked_at_answers_are_not_in_the_stack(book):
    book.book.db.execute("insert into hint (answer, grader, at, lane, low, high) values (?, 'ann', '', 'green', 3, 4)", (book.full[0],))
    assert green_stack(book.book, said_green(book.full), 'data') == book.full[1:]


# ---- out of the book
def test_students_read_nothing_of_it_and_statistics_keep_it_apart(book, tmp_path):
    row, found = passed(book)
    accept_green(book.book, row['id'], dict.fromkeys(acceptable(book.book, row, found), 0), found, 'ann')
    give(book.book, unmarked(book.book, 'data'), book.earned, 'ben')
    assert compared(book.book, 'data') == []
    assert [r['grader'] for r in grader_rows(book.book)] == ['ann', 'ann (accepted in bulk)', 'ben']
    report = marks_report(book.book, 'T')
    assert f'{len(row["green"]) - len(row["chosen"])} of them accepted in bulk' in report
    results = student_results(book.book, {})
    for text in [score_table(results), *(f('T', s, rows) for s, rows in results.items() for f in (feedback_html, feedback_markdown))]: assert not re.search('suggest|bulk|lane|audit|re-read', text, re.I)

def test_the_dump_tells_source_and_reread_and_comes_back(book, tmp_path):
    row, found = passed(book)
    accept_green(book.book, row['id'], dict.fromkeys(acceptable(book.book, row, found), 0), found, 'ann')
    dump(book.book, tmp_path/'d.jsonl')
    rows = [json.loads(line) for line in (tmp_path/'d.jsonl').read_text().splitlines()]
    sources = [r['source'] for r in rows if r.get('table') == 'mark']
    assert sources.count('suggested-accepted') == len(row['green']) - len(row['chosen'])
    told = next(r for r in rows if r.get('table') == 'reread')
    assert told['passed'] == 1 and json.loads(told['chosen']) == row['chosen'] and told['grader'] == 'ann' and 'full marks' in told['said']
    again = restore_dump(tmp_path/'d.jsonl', tmp_path/'again')
    assert again.rows('select * from score') == book.book.rows('select * from score') and reread_number(again, row['id']) == reread_number(book.book, row['id'])
    again.close()
