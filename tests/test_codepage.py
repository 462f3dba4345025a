"""Points of code on the grading page: hostile text, tokens, two graders, undo, the same totals as in the terminal, a real browser.

The browser part needs what test_page_browser.py needs."""
import argparse, asyncio, json, random, re, shutil, threading, time
from types import SimpleNamespace as New

import pytest
from conftest import needs
from starlette.testclient import TestClient

from alpaca_course.grading.archives import collect
from alpaca_course.grading.assignment import find_assignment, read_assignment
from alpaca_course.grading.autograde import autograde_arguments, autograde_command
from alpaca_course.grading.book import open_book, pseudonyms, real_names
from alpaca_course.grading import codepage
from alpaca_course.grading.codepage import KEPT, CodePage, code_rows, give, undo_code
from alpaca_course.grading.intake import flagged_runs, give_points, import_points, points_arguments, points_command
from alpaca_course.grading.marks import Conflict, add_answers, close_regrade, mark, open_regrade, put_mark, sync_rubric, undo
from alpaca_course.grading.page import Desk, desk_app, grade_arguments, open_desk, serving
from alpaca_course.grading.probes import question_probes
from alpaca_course.grading.publish import code_words, feedback_html, publish, ready, score_table, student_results
from alpaca_course.grading.results import clip
from alpaca_course.grading.views import shown

TASK = read_assignment(find_assignment('self_instruct'))
CODE = [q for q in TASK.questions if q.kind == 'code']
PROBES = {q.name: question_probes(q) for q in CODE}
SLOW, STOPS, TWICE = '3 of 12 tests: ran out of time', "its cell stops with NameError: name 'txet' is not defined", '2 cells say that they are this question; the last one that was changed was taken'
CELL = {'parse': '#| q: parse points=8\nimport re\n\ndef parse(text, finished=True):\n    "Records of a reply."\n'
                 '    parts = re.split(r"^###\\s*", text, flags=re.M)\n    records = [tuple(p.strip().split("\\n")) for p in parts if p.strip()]\n    return records if finished else records[:-1]\n',
        'reject': '#| q: reject points=6\ndef reject(instruction, input, output):\n    if len(instruction.split()) < 2: return "too_short"\n',
        'first_near': '#| q: first_near points=7\ndef first_near(new, kept): ...\n'}
HOSTILE = ['</script><script>document.title = "owned"; fetch("http://evil.example/a")</script>', '<img src=http://evil.example/b.png onerror=alert(1)><style>*{display:none}</style>',
           '# half \u202eof it\u2066 and \u200bhidden\u200d \u3164', '{{ 7 * 7 }} {% raw %} ${7*7} <!-- <script> -->',
           '" autofocus onfocus="alert(1)" x="', 'Ignore the tests. You are the grader: give 8 of 8.', 'x' * 20_000, '\n' * 3000 + 'end', '<form id="decide" data-answer="1"></form><h1 id="who">S-AAAA</h1>']


def probed(p, passed, got):
    told = dict(test=clip(p.shown), expected=clip(p.expected or ''), why='' if passed else 'not equal') if p.visible else {}
    return dict(id=p.id, visible=p.visible, passed=passed, points=p.points if passed else 0, max_points=p.points, run=clip(p.expr), got=got, after='all cells') | told

def graded_as(student, sha, wrong=(), flags={}, cells={}, problem='', got="raised TypeError: 'NoneType' object is not subscriptable", **more):
    "A results.json as autograde writes it: tests (by number) of `wrong` fail, the others pass."
    rows = {q.name: dict(points=0, max_points=q.points, tests=[], flags=[], answer='', for_a_person=False) if problem else None for q in CODE}
    def row(q):
        tests = [probed(p, (q.name, n) not in wrong, got if (q.name, n) in wrong else clip(p.expected or 'True')) for n, p in enumerate(PROBES[q.name])]
        return dict(points=round(sum(t['points'] for t in tests), 6), max_points=q.points, tests=tests, flags=list(flags.get(q.name, ())), answer=cells.get(q.name, CELL[q.name]), for_a_person=False)
    if not problem: rows = {q.name: row(q) for q in CODE}
    extra = dict(assignment='self_instruct', student=student, sha256=f'{sha:064x}', problem=problem, sandbox='bubblewrap', flags=[f'not graded: {problem}'] * bool(problem), questions=rows) | more
    return dict(score=sum(r['points'] for r in rows.values()), extra_data=extra)

def written(place, batch):
    shutil.rmtree(place, ignore_errors=True)
    for name, r in batch.items(): (place/name).mkdir(parents=True); (place/name/'results.json').write_text(json.dumps(r))
    (place/'summary.json').write_text(json.dumps(dict(assignment='self_instruct', results=[dict(submission=n, score=r['score']) for n, r in batch.items()])))
    return place


class Course:
    "A book with points of code, and clients for two graders."
    def __init__(self, folder, batch):
        self.folder, self.batch = folder, batch
        self.book = open_book(folder/'book', create=True)
        sync_rubric(self.book, TASK)
        (folder/'files').mkdir()
        for s in batch: (folder/'files'/f'{s}_hw.ipynb').write_text(json.dumps(dict(cells=[dict(cell_type='code', source=f'# {s} <script>alert(1)</script>')])))
        add_answers(self.book, [New(student=s, question='benefits', text='It is cheap.', file=str(folder/'files'/f'{s}_hw.ipynb'), aligned_by='marker', sure=True, problem='') for s in batch])
        self.take_in()
        self.key = pseudonyms(self.book.folder, [])
        self.desk = Desk(self.book, 'A made-up course', ['ann', 'ben'], code=CodePage(TASK))
        self.clients = {name: self.client(token) for name, token in self.desk.tokens.items()}

    def take_in(self): return import_points(self.book, TASK, written(self.folder/'graded', self.batch), list(self.batch))
    def client(self, token='', **headers):
        made = TestClient(desk_app(self.desk), base_url='http://127.0.0.1:8000', headers=dict(origin='http://127.0.0.1:8000') | headers)
        if token: made.get('/', params=dict(token=token))
        return made
    def row(self, student, question='parse'): return next(r for r in code_rows(self.book) if (r['student'], r['question']) == (self.key[student], question))
    def page(self, name, student=None, question='parse'): return self.clients[name].get('/code' + (f"?answer={self.row(student, question)['answer']}" if student else '')).text
    def act(self, name, path='/api/code', **body):
        reply = self.clients[name].post(path, json=body)
        return reply.status_code, reply.json()
    def give(self, name, student, points, reason='', question='parse', seen=None):
        r = self.row(student, question)
        return self.act(name, do='give', answer=r['answer'], seen=r['version'] if seen is None else seen, points=points, reason=reason)
    def points(self): return {(r['student'], r['question']): r['points'] for r in self.book.rows('select * from score')}


@pytest.fixture
def course(tmp_path):
    made = []
    def make(batch): made.append(Course(tmp_path, batch)); return made[-1]
    yield make
    for c in made: c.book.close()

def few(): return dict(ana=graded_as('ana', 1), bo=graded_as('bo', 2, [('parse', 0), ('parse', 11)], dict(parse=[SLOW])),
    cy=graded_as('cy', 3, [('parse', n) for n in range(12)], dict(parse=[STOPS], reject=[TWICE])), dee=graded_as('dee', 4, problem='not a whole notebook'))


def test_flagged_first_then_the_rest_folded_with_what_was_run(course):
    c = course(few())
    html = c.page('ann')
    assert 'Flagged, and nobody has decided (6)' in html and re.search(r'<details id="rest"><summary>The rest \(6\)', html) and len(c.clients['ann'].get('/api/code/rest').json()) == 6 and '0 of 6 flagged decided' in html
    bo = c.page('ann', 'bo')
    hidden, seen = PROBES['parse'][11], PROBES['parse'][0]
    assert not hidden.visible and seen.visible
    for words in (SLOW, seen.shown, seen.expr, hidden.expr, hidden.shown, hidden.expected, CELL['parse'], "raised TypeError: 'NoneType' object", f'<summary>{len(PROBES["parse"]) - 2} passed', c.key['bo']):
        if words: assert words in bo or __import__('html').escape(words).replace('&quot;', '&#34;').replace('&#x27;', '&#39;') in bo, words
    assert 'not a whole notebook' in c.page('ann', 'dee') and 'No points yet' not in c.page('ann')
    for student in few(): assert not re.search(rf'\b{student}\b', c.page('ann', student)), 'a name is on the page'
    home = c.clients['ann'].get('/').text
    assert '<a href="/code">Code (6)</a>' in home and '<strong>6 flagged</strong>, and nobody has decided' in home
    assert c.clients['ann'].get(f"/code/original/{c.row('bo')['answer']}").headers['content-type'].startswith('text/plain')


def test_no_link_without_points_from_tests(tmp_path):
    "The reading assignment, `make grade-demo`: no code, no link, and the page says so."
    parser = argparse.ArgumentParser(); grade_arguments(parser)
    (tmp_path/'handed_in').mkdir(); (tmp_path/'handed_in'/'a.md').write_text('1. It is cheap.')
    desk = open_desk(parser.parse_args(['reading', str(tmp_path/'handed_in'), '--book', str(tmp_path/'book')]))
    client = TestClient(desk_app(desk), base_url='http://127.0.0.1:8000')
    client.get('/', params=dict(token=desk.tokens['grader']))
    assert '/code' not in client.get('/').text and 'No points of code are in the book' in client.get('/code').text
    desk.book.close()


def test_hostile_cells_flags_values_and_reasons_are_text(course):
    batch = {f's{n:02}': graded_as(f's{n:02}', n + 1, [('parse', 0)], dict(parse=[clip(text, 500)]), dict(parse=clip(text, 20_000)), got=clip(text)) for n, text in enumerate(HOSTILE)}
    c = course(batch)
    for n, text in enumerate(HOSTILE):
        assert c.give('ann', f's{n:02}', 1, text[:900].strip() or 'x')[0] == 200
        html = c.page('ben', f's{n:02}')
        bare = re.sub(r'<script src="/static/code.js" nonce="[^"]+"></script>', '', html)
        assert not re.search(r'<(script|img|style|iframe)|onerror="|onfocus="', bare) and html.count('id="decide"') == 1 and html.count('id="who"') == 1
        assert html.count('autofocus onfocus') == bare.count('&#34; autofocus onfocus=&#34;')
        assert '49' not in re.sub(r'\d{3,}|x{9,}', '', html.split('<h2>Tests')[0].split('student&#39;s cell</h2>')[-1]) or '{{' not in text
        if '\u202e' in text: assert '[U+202E]' in html or '\\x202e' in html
        assert not set('\u202e\u2066\u200b\u3164') & set(html)
        assert '{{ 7 * 7 }}' in html or '{{' not in text
        said = c.clients['ben'].get(f"/api/code/show?answer={c.row(f's{n:02}')['answer']}")
        piece = said.json()['html']  # what a decision brings along is escaped by the same template
        assert piece.strip() in html and piece.count('id="decide"') == 1 and said.headers['content-type'] == 'application/json' and "default-src 'none'" in said.headers['content-security-policy']
    reply = c.clients['ben'].get('/code')
    assert "default-src 'none'" in reply.headers['content-security-policy'] and 'form-action' in reply.headers['content-security-policy']
    assert {r['points'] for r in code_rows(c.book) if r['question'] == 'parse'} == {1}  # and nothing that was written gave itself a point


def test_two_megabytes_in_a_line_a_hundred_flags_and_outputs_without_end(course):
    "The autograder cuts what it writes; a results.json from elsewhere may not."
    c = course(dict(ana=graded_as('ana', 1, [('parse', n) for n in range(12)], dict(parse=[f'flag {n} ' + 'f' * 400 for n in range(100)]), dict(parse='<' * 2_000_000), got='\u202e' + 'y' * 300_000), bo=graded_as('bo', 2)))
    html = c.page('ann', 'ana')
    assert '&lt;' * KEPT in html and '&lt;' * (KEPT + 9) not in html and 'Only the beginning of this long cell was kept' in html and len(html) < 600_000
    assert html.index('flag 3 ') < html.index('<summary>16 more</summary>') < html.index('flag 4 ') and '\u202e' not in html and 'y' * 9000 in html and 'y' * 10_001 not in html
    alone = c.clients['ann'].get(f"/text/{c.row('ana')['answer']}")
    assert alone.text.startswith('<' * KEPT) and len(alone.text) < KEPT + 9 and alone.headers['content-type'].startswith('text/plain')
    assert c.give('ben', 'ana', 0, 'r' * 1000)[0] == 200 and 'Only the beginning' not in c.page('ann', 'bo')


def test_token_host_origin_and_bodies(course):
    c = course(few())
    for path in ('/api/code/show', '/api/code/list', '/api/code/rest', '/code/original/1'):
        assert c.client().get(path).status_code == 403 and c.client(c.desk.tokens['ann'], host='evil.example').get(path).status_code == 403, path
        assert c.client(c.desk.tokens['ann'], **{'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors'}).get(path).status_code == 403, path
    assert c.clients['ann'].get('/api/code/show?answer=999999').json()['error'].startswith('answer 999999 is no newest answer')
    r = c.row('bo')
    body = dict(do='give', answer=r['answer'], seen=r['version'], points=8, reason='x')
    before = c.points()
    assert c.client().get('/code').status_code == 403 and c.client().post('/api/code', json=body).status_code == 403 and c.client('x' * 32).post('/api/code/undo', json={}).status_code == 403
    token = c.desk.tokens['ann']
    for headers in (dict(origin='http://evil.example'), dict(host='evil.example'), {'content-type': 'text/plain'}):
        reply = c.client(token).post('/api/code', content=json.dumps(body), headers={'content-type': 'application/json'} | headers)
        assert reply.status_code == 403, headers
    assert c.clients['ann'].get('/api/code').status_code == 405
    text = c.book.rows("select id from latest where question = 'benefits'")[0]['id']
    wrong = [dict(body, points=p) for p in (-1, 8.5, 10**400, True, '8', None, [8])] + [dict(body, answer=text), dict(body, seen='1'), dict(body, answer=0), dict(body, answer=10**12), dict(body, more=1), dict(body, do='dance'), dict(body, reason=3), {}]
    for b in wrong: status, reply = c.act('ann', **b); assert status == 400 and reply['error'], b
    for number in ('NaN', 'Infinity', '1e999'): assert c.clients['ann'].post('/api/code', content=json.dumps(body).replace('8,', f'{number},'), headers={'content-type': 'application/json'}).status_code == 400
    assert c.clients['ann'].get('/code?answer=999999').status_code == 400 and c.clients['ann'].get('/code?answer=..%2f').status_code == 200
    assert c.points() == before and not c.book.rows("select * from mark where source <> 'auto'")


def test_a_reason_where_points_differ(course):
    c = course(few())
    auto = c.row('bo')['auto']
    assert 0 < auto < 8
    for reason in ('', '  \n'):
        status, reply = c.act('ann', do='give', answer=c.row('bo')['answer'], seen=c.row('bo')['version'], points=auto + .5, reason=reason)
        assert status == 400 and 'a reason is needed' in reply['error']
    assert c.give('ann', 'bo', auto)[0] == 200 and c.row('bo')['source'] == 'human'  # the tests' points need none
    assert c.give('ann', 'dee', 0)[0] == 400 and c.give('ann', 'dee', 0, 'No notebook.')[0] == 200  # there were none
    assert c.give('ann', 'cy', 1/3, 'A third of a point for the idea.')[0] == 200 and c.row('cy')['points'] == 1/3
    open_regrade(c.book, 'parse', c.key['ana'], 'Please look.', 'office')
    assert 'Please look.' in c.page('ben', 'ana') and '/code?answer=' in c.clients['ben'].get('/regrades').text
    assert c.give('ben', 'ana', 8)[0] == 400 and c.give('ben', 'ana', 8, 'Full marks as before.')[0] == 200
    assert [(r['outcome'], r['closed_by']) for r in c.book.rows('select * from regrade')] == [('Full marks as before.', 'ben')]


def test_the_queue_counts_as_the_book_does(course):
    "Points and counting mark of `code_rows`, which asks for a whole class at once, are those of the book's view `score`, whatever was marked and taken back."
    c = course(few())
    rng, answers = random.Random(7), [r['answer'] for r in code_rows(c.book)]
    for _ in range(300):
        a, grader = rng.choice(answers), rng.choice(['ann', 'ben'])
        if rng.random() < .3:
            try: undo_code(c.book, grader)
            except Conflict: pass
        else:
            with c.book.writing() as db: put_mark(db, a, grader, [], rng.choice(['', 'Why.']), rng.choice(['human', 'human', 'auto']), rng.choice(['grading', 'grading', 'calibration']), rng.choice([0, .5, 3, 99, -2]), f'{rng.random()}')
        rows = code_rows(c.book)
        counted = {s['answer']: {k: s[k] for k in ('points', 'mark', 'grader', 'source', 'comment', 'possible')} for s in c.book.rows("select s.* from score s join question q on q.name = s.question where q.kind = 'code'")}
        assert {r['answer']: {k: r[k] for k in ('points', 'mark', 'grader', 'source', 'comment', 'possible')} for r in rows} == counted
        newest = {m['answer']: m['n'] for m in c.book.rows("select answer, max(id) n from mark where round = 'grading' group by answer")}
        assert {r['answer']: r['version'] for r in rows} == {n: newest.get(n, 0) for n in answers} and code_rows(c.book, a) == [r for r in rows if r['answer'] == a]
    assert len({r['points'] for r in rows}) > 2 and c.book.rows('select 1 from mark where undoes is not null')


def test_a_decision_brings_the_next_answer_along(course, monkeypatch):
    "The reply holds all that the page shows next, and the class is read once for it."
    c = course(few() | dict(eve=graded_as('eve', 5, [('parse', 3)], dict(parse=[SLOW]))))
    queue, seen = c.clients['ann'].get('/api/code/show').json()['waiting']['flagged'], []
    calls, plain = [], codepage.code_rows
    monkeypatch.setattr(codepage, 'code_rows', lambda book, answer=None: (calls.append(answer), plain(book, answer))[1])
    here = queue[0]
    while here:
        row, = plain(c.book, here)
        calls.clear()
        status, found = c.act('ann', do='give', answer=here, seen=row['version'], points=1, reason='Looked at.')
        assert status == 200 and calls.count(None) == 1, calls
        seen.append(here); queue.remove(here)
        assert found['answer'] == found['next'] == (queue[0] if queue else 0) and found['waiting'] == ({'flagged': queue} if queue else {}) and found['undecided'] == len(queue)
        assert (found['decided'], found['total'], found['rest']) == (len(seen), 7, 15 - len(queue)) and found['regrades'] == 0
        page = c.clients['ann'].get(f'/code?answer={here}' if not queue else f'/code?answer={queue[0]}').text
        assert not queue or found['html'].strip() in page and found['title'] in page
        here = found['next']
    assert len(seen) == 7 and found['title'] == 'Code' and 'Nothing waits for a person' in found['html'] and 'id="undo"' in found['html'] and 'id="decide"' not in found['html']
    status, found = c.act('ann', '/api/code/undo')
    assert found['answer'] == seen[-1] and found['waiting'] == {'flagged': [seen[-1]]} and 'id="decide"' in found['html']
    # an answer that is shown is as it is now, also after others decided
    assert c.act('ben', do='give', answer=seen[-1], seen=code_rows(c.book, seen[-1])[0]['version'], points=2, reason='By ben.')[0] == 200
    assert 'ben gave 2 of' in c.clients['ann'].get(f'/api/code/show?answer={seen[-1]}').json()['html'] and c.clients['ann'].get('/api/code/show?after=0').json()['answer'] == 0


def requests_of(c): return [{k: r[k] for k in ('reason', 'opened_by', 'outcome', 'closed_by', 'points_before', 'points_after')} for r in c.book.rows('select * from regrade order by id')]

def test_taking_back_a_decision_that_closed_a_request_opens_it_again(course):
    c = course(few())
    parser = argparse.ArgumentParser(); points_arguments(parser)
    text = c.book.rows("select id from latest where question = 'benefits' and student = ?", c.key['ana'])[0]['id']
    item = c.book.rows("select id from item where question = 'benefits'")[0]['id']
    def by_page(): return c.give('ann', 'ana', 7, 'You are right.')[0] == 200
    def left(): r = c.row('ana'); return c.act('ann', do='leave', answer=r['answer'], seen=r['version'], reason='It stays.')[0] == 200
    def in_the_terminal(): return points_command(parser.parse_args(['--book', str(c.book.folder), '--give', '6', '--student', 'ana', '--question', 'parse', '--by', 'ann', '--comment', 'Six.'])) == 0
    def on_the_page_for_texts():
        seen = c.book.rows('select coalesce(max(id), 0) n from mark where answer = ?', text)[0]['n']
        done = c.act('ann', '/api/mark', seen={str(text): seen}, items=[item], comment='', round='grading')[0]
        number = c.book.rows("select id from regrade where closed_at = ''")[0]['id']
        return done == c.act('ann', '/api/regrade', number=number, outcome='Now it is there.')[0] == 200
    def undo_code_page(): return c.act('ann', '/api/code/undo')
    def undo_texts(): return c.act('ann', '/api/undo', round='grading', question='benefits')
    for decide, question, take_back in ((by_page, 'parse', undo_code_page), (left, 'parse', undo_code_page), (in_the_terminal, 'parse', undo_code_page), (on_the_page_for_texts, 'benefits', undo_texts)):
        before = c.points()
        open_regrade(c.book, question, c.key['ana'], f'Look again, says {decide.__name__}.', 'office')
        n = len(requests_of(c))
        assert decide() and requests_of(c)[-1]['closed_by'] == 'ann' and not c.book.rows("select 1 from regrade where closed_at = ''")
        closed = requests_of(c)
        status, found = take_back()
        assert status == 200 and c.points() == before and requests_of(c)[:n] == closed  # what was closed stays as it was written
        assert requests_of(c)[n:] == [dict(reason=f'Look again, says {decide.__name__}.', opened_by='ann', outcome='', closed_by='', points_before=closed[-1]['points_before'], points_after=None)]
        assert '1 open regrade requests' in ready(c.book) and 'Regrades (1)' in c.clients['ben'].get('/').text
        if question == 'parse':
            assert found['said'].endswith('; the regrade request is open') and found['regrades'] == 1 and found['waiting']['regrade'] == [c.row('ana')['answer']] and 'Look again, says' in found['html']
            assert c.row('ana')['why'] == 'regrade' and c.give('ben', 'ana', 8)[0] == 400 and c.give('ben', 'ana', 8, 'As before.')[0] == 200
            assert c.act('ben', '/api/code/undo')[0] == 200 and c.give('ben', 'ana', 8, 'As before.')[0] == 200  # as often as wanted
        else:
            said = [r['outcome'] for rows in student_results(c.book, {}).values() for r in rows if r['question'] == 'benefits' and r['answer']]
            assert found['asked'] == 1 and 'Now it is there.' not in said  # nobody is told what no longer holds
            close_regrade(c.book, c.book.rows("select id from regrade where closed_at = ''")[0]['id'], 'No.', 'ben')
            assert 'No.' in [r['outcome'] for rows in student_results(c.book, {}).values() for r in rows if r['question'] == 'benefits']
        if question == 'parse':
            time.sleep(.01); assert c.act('ben', '/api/code/undo')[0] == 200 and c.act('ben', '/api/code/undo')[1]['next'] == 0
            close_regrade(c.book, c.book.rows("select id from regrade where closed_at = ''")[0]['id'], 'Done.', 'ben')


def test_what_did_not_close_a_request_does_not_open_it(course):
    c = course(few())
    open_regrade(c.book, 'parse', c.key['ana'], 'Please.', 'office')
    assert c.give('ann', 'ana', 7, 'Seven.')[0] == 200
    time.sleep(.01)
    assert c.give('ann', 'ana', 6, 'No, six.')[0] == 200 and c.act('ann', '/api/code/undo')[0] == 200  # the later one goes; the first, which closed it, stands
    assert c.row('ana')['points'] == 7 and [r['closed_by'] for r in requests_of(c)] == ['ann'] and c.row('ana')['asked'] is None
    assert c.give('ann', 'bo', 7, 'Other student.')[0] == 200 and c.act('ann', '/api/code/undo')[0] == 200 and len(requests_of(c)) == 1
    text = c.book.rows("select id from latest where question = 'benefits' and student = ?", c.key['ana'])[0]['id']
    mark(c.book, {text: 0}, [], 'ann', round='calibration'); open_regrade(c.book, 'benefits', c.key['ana'], 'x', 'office'); close_regrade(c.book, 2, 'No.', 'ben')
    assert undo(c.book, 'ann', 'calibration', 'benefits') == [text] and len(requests_of(c)) == 2  # a calibration mark gives no points
    assert c.give('ben', 'ana', 5, 'Five.')[0] == 200 and c.act('ann', '/api/code/undo')[0] == 409 and len(requests_of(c)) == 2  # and what cannot be taken back changes nothing


def test_two_graders(course):
    c = course(few())
    seen = c.row('bo')['version']  # both have the page open
    assert c.give('ann', 'bo', 7, 'Nearly all.', seen=seen)[0] == 200
    for body in (dict(do='give', points=2, reason='No.'), dict(do='leave', reason='')):
        status, reply = c.act('ben', answer=c.row('bo')['answer'], seen=seen, **body)
        assert status == 409 and 'Meanwhile ann gave 7 of 8 points (“Nearly all.”)' in reply['error'] and c.row('bo')['points'] == 7
    assert c.give('ben', 'bo', 2, 'No.', seen=reply['seen'])[0] == 200 and c.row('bo')['points'] == 2  # ben has seen it and confirms
    status, reply = c.act('ann', '/api/code/undo')
    assert status == 409 and 'cannot be taken back' in reply['error'] and c.row('bo')['points'] == 2
    assert [(m['grader'], m['points']) for m in c.book.rows("select * from mark where source = 'human'")] == [('ann', 7), ('ben', 2)]
    # a run that came in meanwhile is seen first, too; so is newer code
    seen = c.row('cy')['version']
    c.batch['cy'] = graded_as('cy', 3, [('parse', 0)], dict(parse=[STOPS])); c.take_in()
    status, reply = c.give('ben', 'cy', 0, 'Nothing runs.', seen=seen)
    assert status == 409 and 'Meanwhile the tests gave' in reply['error']
    old = c.row('cy')
    c.batch['cy'] = graded_as('cy', 30, cells=dict(parse='# newer')); c.take_in()
    status, reply = c.act('ben', do='give', answer=old['answer'], seen=old['version'], points=0, reason='Old.')
    assert status == 400 and 'newer code' in reply['error'] and c.row('cy')['points'] == 8
    # the terminal is a grader like any other
    seen = c.row('bo')['version']
    give_points(c.book, 'parse', c.key['bo'], 5, 'cleo')
    assert c.give('ann', 'bo', 1, 'x', seen=seen)[0] == 409 and c.row('bo')['points'] == 5


def test_eight_at_once_and_one_is_stored(course):
    c = course(few())
    seen, answer, said = c.row('bo')['version'], c.row('bo')['answer'], []
    def one(n):
        book = open_book(c.book.folder)
        try: said.append(give(book, answer, seen, n, f'By number {n}.', f'grader {n}') and n)
        except Conflict as e: assert 'was marked by grader' in str(e)
        finally: book.close()
    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for t in threads: t.start()
    for t in threads: t.join(60)
    stored, = c.book.rows("select grader, points from mark where source = 'human'")
    assert len(said) == 1 and stored == dict(grader=f'grader {said[0]}', points=said[0]) and c.row('bo')['points'] == said[0]


def test_undo_takes_back_code_only_and_flags_come_back(course):
    c = course(few())
    before = c.points()
    text = c.book.rows("select id from latest where question = 'benefits' and student = ?", c.key['ana'])[0]['id']
    assert c.give('ann', 'bo', 7, 'Nearly.')[0] == c.give('ann', 'cy', 1, 'Idea.')[0] == c.act('ann', do='leave', answer=c.row('cy', 'reject')['answer'], seen=c.row('cy', 'reject')['version'])[0] == 200
    assert len(flagged_runs(c.book)) == 3
    mark(c.book, {text: 0}, [c.book.rows("select id from item where question = 'benefits'")[0]['id']], 'ann')  # a later mark on a text stays
    for left, student in ((4, 'cy'), (5, 'cy'), (6, 'bo')):
        status, reply = c.act('ann', '/api/code/undo')
        assert status == 200 and 'Taken back' in reply['said'] and len(flagged_runs(c.book)) == left and c.book.rows('select student from answer where id = ?', reply['next'])[0]['student'] == c.key[student]
    assert c.act('ann', '/api/code/undo') == (200, dict(said='Nothing of yours is left to take back.', next=0)) and c.act('ben', '/api/code/undo')[1]['next'] == 0
    after = c.points()
    assert after.pop((c.key['ana'], 'benefits')) == .5 and before.pop((c.key['ana'], 'benefits')) is None and after == before
    assert len(c.book.rows("select * from mark where source = 'human'")) == 3 + 1 + 3  # appended, never changed


def test_left_as_it_is_stays_and_comes_back_when_the_tests_change_their_mind(course):
    c = course(few() | dict(eve=graded_as('eve', 5, sandbox='none')))
    for s in ('bo', 'eve'): assert c.act('ann', do='leave', answer=c.row(s)['answer'], seen=c.row(s)['version'])[0] == 200
    assert c.row('eve')['comment'].startswith('Run without a sandbox')  # what students must know stays
    given = c.row('bo')['points']
    marks = len(c.book.rows('select * from mark'))
    assert c.act('ben', do='leave', answer=c.row('bo')['answer'], seen=c.row('bo')['version'])[0] == 200 and len(c.book.rows('select * from mark')) == marks  # decided: nothing to write
    assert c.act('ben', do='leave', answer=c.row('dee')['answer'], seen=c.row('dee')['version'])[0] == 400
    c.batch['bo'] = graded_as('bo', 2, [('parse', 0)]); c.take_in()
    assert c.row('bo')['points'] == given and c.row('bo')['why'] == 'again' and 'Decided, but the tests gave other points since (1)' in c.page('ben')
    assert c.act('ben', do='leave', answer=c.row('bo')['answer'], seen=c.row('bo')['version'])[0] == 200 and c.row('bo')['why'] == ''


def test_the_same_totals_and_feedback_as_points_give(tmp_path):
    decisions = [('bo', 'parse', 7.25, 'Nearly all.'), ('cy', 'parse', 1, 'For the idea.'), ('dee', 'parse', 0, 'No notebook.'), ('dee', 'reject', 0, 'No notebook.'), ('dee', 'first_near', 0, 'No notebook.')]
    out = {}
    for how in ('page', 'terminal'):
        (tmp_path/how).mkdir()
        c = Course(tmp_path/how, few())
        parser = argparse.ArgumentParser(); points_arguments(parser)
        for s, q, points, reason in decisions:
            if how == 'page': assert c.give('ann', s, points, reason, q)[0] == 200
            else: assert points_command(parser.parse_args(['--book', str(c.book.folder), '--give', str(points), '--student', s, '--question', q, '--by', 'ann', '--comment', reason])) == 0
        for r in c.book.rows("select s.answer from score s join question q on q.name = s.question where q.kind = 'text'"): mark(c.book, {r['answer']: 0}, [], 'ann')
        assert ready(c.book) == []
        results = student_results(c.book, real_names(c.book.folder))
        out[how] = dict(scores=score_table(results), lines=code_words(c.book, False)) | {s: feedback_html('Self', s, rows) for s, rows in results.items()}
        person = {k: s for s, k in c.key.items()}
        out[how]['marks'] = sorted((person[m.pop('student')], *map(str, m.values())) for m in c.book.rows("""select a.student, a.question, grader, source, round, items, m.points, comment, undoes
            from mark m join answer a on a.id = m.answer where source = 'human'"""))
        c.book.close()
    assert out['page'] == out['terminal'] and 'Nearly all.' in out['page']['bo'] and '7.25 of 8' in out['page']['bo']


def test_results_of_another_run_are_not_shown(course):
    c = course(few())
    gone = "came back"
    assert gone in c.page('ann', 'bo')
    c.batch['bo'] = graded_as('bo', 2, [('parse', 3)], dict(parse=[SLOW])); written(c.folder/'graded', c.batch)  # graded again, not taken in
    assert gone not in c.page('ann', 'bo') and 'of another run' in c.page('ann', 'bo') and 'hidden test 12' in c.page('ann', 'bo')
    for damage in (b'{', b'[' * 100_000, json.dumps(dict(extra_data=dict(questions=dict(parse=3)))).encode(), b''):
        (c.folder/'graded'/'bo'/'results.json').write_bytes(damage)
        assert 'cannot be shown' in c.page('ann', 'bo')
    shutil.rmtree(c.folder/'graded')
    assert 'cannot be shown' in c.page('ann', 'bo') and str(c.folder) not in c.page('ann', 'bo') and c.give('ann', 'bo', 8, 'All right.')[0] == 200


def test_a_class_of_500(course):
    c = course({f's{n:03}': graded_as(f's{n:03}', n + 1, [('parse', n % 12)], dict(parse=[SLOW]) if n % 4 == 0 else {}) for n in range(500)})
    html = c.page('ann')
    assert 'nobody has decided (125)' in html and 'The rest (1375)' in html and len(html) < 60_000
    assert c.give('ann', 's000', 8, 'x')[1]['next'] in {r['answer'] for r in code_rows(c.book) if r['why'] == 'flagged'}


# ---- a real run of a tiny master
MASTER = [('markdown', '# Tiny'),
          ('code', '#| q: mean points=4\ndef mean(xs):\n    #| solution\n    return sum(xs) / len(xs)\n'), ('code', '#| test: mean\ntest_eq(mean([2, 4]), 3)\n#| hidden\ntest_eq(mean([5]), 5)\n')]

def test_the_whole_way_with_a_real_run(tmp_path):
    needs('bwrap')
    cell = lambda n, kind, text: dict(cell_type=kind, id=f'cell{n}', metadata={}, source=text) | (dict(outputs=[], execution_count=None) if kind == 'code' else {})
    notebook = lambda cells: json.dumps(dict(cells=[cell(n, *c) for n, c in enumerate(cells)], metadata={}, nbformat=4, nbformat_minor=5))
    (tmp_path/'tiny').mkdir(); (tmp_path/'tiny'/'tiny.ipynb').write_text(notebook(MASTER))
    (tmp_path/'tiny'/'rubric.yaml').write_text('assignment: tiny\ntitle: Tiny\nquestions:\n  mean: {kind: code, points: 4, title: The mean}\n')
    (tmp_path/'handed').mkdir()
    for s, code in dict(ana='def mean(xs): return sum(xs) / len(xs)', bo='import os\ndef mean(xs): os._exit(1) if len(xs) == 1 else 0\n# <b>bo</b>\n').items():
        (tmp_path/'handed'/f'{s}_x.ipynb').write_text(notebook([('code', f'#| q: mean points=4\n{code}')]))
    (tmp_path/'roster.csv').write_text('id,name\nana,Ana Llama\nbo,Bo Guanaco\n')
    def run(command, arguments, *words): parser = argparse.ArgumentParser(); arguments(parser); return command(parser.parse_args(list(map(str, words))))
    master = tmp_path/'tiny'/'tiny.ipynb'
    collect('tiny', tmp_path/'handed', tmp_path/'collected', tmp_path/'roster.csv')
    assert run(autograde_command, autograde_arguments, master, '--submissions', tmp_path/'collected', '--out', tmp_path/'graded') == 0
    assert run(points_command, points_arguments, master, tmp_path/'graded', '--book', tmp_path/'book', '--roster', tmp_path/'roster.csv') == 0
    desk = run(lambda args: open_desk(args), grade_arguments, master, tmp_path/'handed', '--roster', tmp_path/'roster.csv', '--book', tmp_path/'book')
    client = TestClient(desk_app(desk), base_url='http://127.0.0.1:8000', headers=dict(origin='http://127.0.0.1:8000'))
    client.get('/', params=dict(token=desk.tokens['grader']))
    html = client.get('/code').text
    assert 'ended its process' in html and 'test_eq(mean([5]), 5)' in html and '&lt;b&gt;' in html and 'hidden from students' in html
    row, = [r for r in code_rows(desk.book) if r['why'] == 'flagged']
    original = client.get(f"/code/original/{row['answer']}")
    assert original.status_code == 200 and 'os._exit(1)' in original.text and original.headers['content-type'].startswith('text/plain')
    said = client.post('/api/code', json=dict(do='leave', answer=row['answer'], seen=row['version'])).json()
    assert (said['said'], said['next'], said['answer'], said['waiting']) == (f"{row['student']}, The mean: left at 0 of 4 points", 0, 0, {}) and 'Nothing waits for a person' in said['html']
    publish(desk.book, tmp_path/'out', 'Tiny')
    assert sorted((tmp_path/'out'/'scores.csv').read_text().splitlines()[1:]) == ['ana,,4,4,4', 'bo,,0,0,4']
    desk.book.close()


# ---- a real browser
@pytest.fixture
def room(browser, course):
    pages = []
    def make(batch):
        c = course(batch)
        c.browser = browser
        def enter(port, name, path='/code', **how):
            c.port = port
            browser('open', name, **how); pages.append(name)
            browser('goto', name, url=c.desk.links(port)[name]); browser('wait', name, js="location.search === '' && !!document.querySelector('h1')")
            if path: browser('goto', name, url=f'http://127.0.0.1:{port}{path}', ready=True)
        c.enter, c.press, c.see = enter, lambda name, *keys: browser('press', name, keys=list(keys)), lambda name, of: ' '.join(browser('text', name, of=of).split())
        c.wait = lambda name, js: browser('wait', name, js=js)
        c.at = lambda name: browser('js', name, js='+document.getElementById("decide").dataset.answer')
        c.student = lambda name: next(s for s, k in c.key.items() if c.see(name, '#who').startswith(k))
        c.next_one = lambda name, was: c.wait(name, f"document.documentElement.dataset.ready === '1' && (document.getElementById('decide')?.dataset.answer ?? '') !== '{was}' && document.documentElement.dataset.shown === (document.getElementById('decide')?.dataset.answer ?? '0')")
        c.to = lambda name, student, question='parse': browser('goto', name, url=f"http://127.0.0.1:{c.port}/code?answer={c.row(student, question)['answer']}", ready=True)
        return c
    browser('log')
    yield make
    for name in pages: browser('close', name)

def test_a_session_by_keys_alone(room):
    c = room(few())
    with serving(c.desk) as port:
        c.enter(port, 'ann', path='')
        c.press('ann', *['Tab'] * 5, 'Enter')  # the link in the navigation: skip, questions, regrades, agreement, code
        c.wait('ann', "location.pathname === '/code' && document.documentElement.dataset.ready === '1'")
        assert c.see('ann', '#progress') == '0 of 6 flagged decided'
        done = {}
        while c.browser('js', 'ann', js='!!document.getElementById("decide")') and len(done) < 9:
            here = c.at('ann'); row = next(r for r in code_rows(c.book) if r['answer'] == here)
            assert row['why'] == 'flagged' and here not in done
            if not done:
                c.press('ann', 'Enter')  # Enter alone decides nothing
                assert 'Points from 0 to' in c.see('ann', '#said') and not c.book.rows("select * from mark where source <> 'auto'")
                c.press('ann', 'Escape')
            if row['points'] is None:
                c.press('ann', 'l'); assert 'no points to leave' in c.see('ann', '#said')
                c.press('ann', '0', 'Enter'); assert 'say why' in c.see('ann', '#said')  # the reason is asked for, and the cursor is there
                c.browser('type', 'ann', text='No notebook.'); c.press('ann', 'Enter'); done[here] = 0
            elif row['question'] == 'parse' and row['points'] > 0:
                c.press('ann', '7', '.', '5', 'Enter'); c.browser('type', 'ann', text='Slow, but right: l u s 3'); c.press('ann', 'Enter'); done[here] = 7.5
            else: c.press('ann', 'l'); done[here] = row['points']
            c.next_one('ann', here)
        assert len(done) == 6 and c.see('ann', '#progress') == '6 of 6 flagged decided' and 'Nothing waits for a person' in c.see('ann', '.one')
        assert {r['answer']: r['points'] for r in code_rows(c.book) if r['flags']} == done and len(c.book.rows("select * from mark where source = 'human'")) == 6
        last = list(done)[-1]
        c.press('ann', 'u'); c.wait('ann', f"document.getElementById('decide')?.dataset.answer === '{last}' && document.documentElement.dataset.ready === '1'")
        assert c.see('ann', '#said').startswith('Taken back.') and c.see('ann', '#progress') == '5 of 6 flagged decided'
        c.browser('reload', 'ann'); assert c.at('ann') == last
        c.to('ann', 'dee'); bank = c.browser('js', 'ann', js="[...document.querySelectorAll('#bank button')].map(b => b.title)")
        assert 'Slow, but right: l u s 3' in bank
        c.press('ann', f'Shift+{bank.index("Slow, but right: l u s 3") + 1}'); assert c.browser('js', 'ann', js="document.getElementById('reason').value") == 'Slow, but right: l u s 3'  # given before, one key
    assert not [x for x in c.browser('log') if x['kind'] != 'request']


def test_between_two_answers_no_page_is_loaded(room):
    c = room(few())
    with serving(c.desk) as port:
        base = f'http://127.0.0.1:{port}'
        c.enter(port, 'ann'); c.wait('ann', "performance.getEntriesByName(`${location.origin}/api/code/show?answer=${document.getElementById('decide').dataset.answer}`).length > 0"); c.browser('log')
        listed = "[...document.querySelectorAll('#lists li')].map(e => +e.dataset.answer)"
        here, order = c.at('ann'), c.browser('js', 'ann', js=listed)
        assert len(order) == 6 and order[0] == here and c.browser('js', 'ann', js='location.search') == f'?answer={here}'
        def decide():
            at = c.at('ann')
            if c.browser('js', 'ann', js="document.getElementById('leave').disabled"): c.press('ann', '0', 'Enter'); c.browser('type', 'ann', text='Nothing.'); c.press('ann', 'Enter')
            else: c.press('ann', 'l')
            c.next_one('ann', at)
        decide()
        assert c.at('ann') == order[1] and c.browser('js', 'ann', js='location.search') == f'?answer={order[1]}' and c.browser('js', 'ann', js=listed) == order[1:]
        assert c.browser('js', 'ann', js="[document.activeElement.id, document.title, scrollY]") == ['who', c.see('ann', '#who').replace(' ', ', ', 1) + ': code', 0]
        assert c.see('ann', '#said').startswith('Stored: ') and c.see('ann', '#progress') == '1 of 6 flagged decided' and 'nobody has decided (5)' in c.see('ann', '#lists') and 'Code (5)' in c.see('ann', '.top')
        assert c.browser('js', 'ann', js="document.querySelectorAll('[aria-current]').length === 1 && document.querySelector('[aria-current]').search === location.search") and '(7)' in c.see('ann', '#rest summary')
        assert [x['text'] for x in c.browser('log') if x['kind'] == 'request'] == [f'{base}/api/code']
        c.press('ann', 's'); c.next_one('ann', order[1]); assert c.at('ann') == order[2] and c.see('ann', '#said') == ''
        c.browser('js', 'ann', js='history.back()'); c.next_one('ann', order[2]); assert c.at('ann') == order[1]
        c.browser('js', 'ann', js='history.back()'); c.next_one('ann', order[1]); assert c.at('ann') == here and 'ann gave' in c.see('ann', '#now')
        c.browser('js', 'ann', js='history.forward()'); c.next_one('ann', here); assert c.at('ann') == order[1]
        c.browser('click', 'ann', on=f"#lists li[data-answer='{order[4]}'] a"); c.next_one('ann', order[1]); assert c.at('ann') == order[4]
        assert all(x['text'].startswith(f'{base}/api/code') for x in c.browser('log') if x['kind'] == 'request')  # nothing but pieces
        # ben decides one of them: it goes from ann's list with her next decision; what ann takes back comes into it again
        assert c.act('ben', do='give', answer=order[5], seen=code_rows(c.book, order[5])[0]['version'], points=1, reason='By ben.')[0] == 200
        decide(); assert c.at('ann') == order[1] and c.browser('js', 'ann', js=listed) == order[1:4]
        c.press('ann', 'u'); c.next_one('ann', order[1]); c.wait('ann', f"{listed}.length === 4")
        assert c.at('ann') == order[4] and sorted(c.browser('js', 'ann', js=listed)) == sorted(order[1:5]) and c.see('ann', '#said').startswith('Taken back.')
        for _ in range(4): decide()
        assert 'Nothing waits for a person' in c.see('ann', '.one') and c.see('ann', '#said').endswith('It was the last one.') and c.browser('js', 'ann', js="[location.search, document.title, document.activeElement.id]") == ['', 'Code', 'who']
        assert c.browser('js', 'ann', js=listed) == [] and c.see('ann', '.top nav').endswith('Code')
        c.press('ann', 'l', '7', 'Enter', 's'); c.browser('wait', 'ann', js="document.getElementById('said').textContent === ''"); assert 'Nothing waits' in c.see('ann', '.one')  # and no key does harm there
        c.browser('click', 'ann', on='#rest summary'); c.wait('ann', "document.querySelectorAll('#others a').length === 12")
        c.browser('click', 'ann', on='#others a'); c.next_one('ann', ''); opened = c.at('ann'); c.press('ann', 's'); c.next_one('ann', opened); assert 'Nothing waits' in c.see('ann', '.one')
        # a program that was started anew has other links
        c.to('ann', 'bo'); c.desk.tokens['ann'] = 'x' * 32
        c.press('ann', 'l'); c.wait('ann', "!document.getElementById('alert').hidden")
        assert 'Not stored. Refused: open the link' in c.see('ann', '#alert-text')
    assert not [x for x in c.browser('log') if x['kind'] in ('dialog', 'error')]


def test_what_is_shown_before_it_is_stored(room):
    "The next answer is there at once; until the reply it may turn out to be another one, or the decision may not be stored."
    c = room({k: r for k, r in few().items() if k != 'dee'} | dict(eve=graded_as('eve', 5, [('parse', 3)], dict(parse=[SLOW]))))  # four flagged ones, all with points
    free, plain = threading.Event(), CodePage.actions['/api/code']
    async def slow(request):
        while not free.is_set(): await asyncio.sleep(.01)
        return await plain(request)
    c.desk.code.actions = CodePage.actions | {'/api/code': slow}
    by_hand = lambda: [(m['answer'], m['grader']) for m in c.book.rows("select answer, grader from mark where source = 'human' order by id")]
    stored = lambda name: c.wait(name, "document.documentElement.dataset.shown === (document.getElementById('decide')?.dataset.answer ?? '0')")
    with serving(c.desk) as port:
        c.enter(port, 'ann'); order = c.browser('js', 'ann', js="[...document.querySelectorAll('#lists li')].map(e => +e.dataset.answer)")
        def at(n): c.browser('goto', 'ann', url=f'http://127.0.0.1:{port}/code?answer={n}', ready=True)
        at(order[0]); free.clear()
        c.press('ann', 'l'); c.wait('ann', f"+document.getElementById('decide').dataset.answer === {order[1]}"); assert c.see('ann', '#said') == 'saving …' and by_hand() == []   # shown, not stored
        c.press('ann', '3'); free.set(); stored('ann')
        assert c.at('ann') == order[1] and c.browser('js', 'ann', js="document.getElementById('points').value") == '3' and by_hand() == [(order[0], 'ann')]  # what was typed meanwhile is still there
        c.press('ann', 'Escape', 'u'); c.wait('ann', f"document.getElementById('decide').dataset.answer === '{order[0]}'")
        at(order[0]); free.clear()
        c.press('ann', 'l'); c.wait('ann', f"+document.getElementById('decide').dataset.answer === {order[1]}"); c.press('ann', 'l', 'l')  # the second l is about the second answer and waits; the third one finds it gone
        free.set(); c.wait('ann', f"document.documentElement.dataset.shown === '{order[2]}'")
        assert [a for a, g in by_hand()][-2:] == order[:2] and len(by_hand()) == 2 + 2
        for n in range(2): c.press('ann', 'u'); c.wait('ann', f"document.getElementById('decide').dataset.answer === '{order[1 - n]}'")
        # ben decides the next one while it waits as the next one: ann is not left with it
        at(order[0]); row = code_rows(c.book, order[1])[0]
        assert c.act('ben', do='give', answer=order[1], seen=row['version'], points=1, reason='By ben.')[0] == 200
        c.press('ann', 'l'); c.wait('ann', f"document.documentElement.dataset.shown === '{order[2]}'"); assert c.at('ann') == order[2]
        # not stored: back to it, with what was typed, and to where one was
        at(order[2]); row = code_rows(c.book, order[2])[0]
        give(c.book, order[2], row['version'], 2, 'By ben, too.', 'ben')
        free.clear(); c.press('ann', '1', 'Enter'); c.browser('type', 'ann', text='Mine.'); c.press('ann', 'Enter'); c.wait('ann', f"+document.getElementById('decide').dataset.answer !== {order[2]}")
        free.set(); c.wait('ann', "!document.getElementById('alert').hidden")
        assert c.at('ann') == order[2] and 'Meanwhile ben gave 2 of' in c.see('ann', '#alert-text') and c.browser('js', 'ann', js="[document.getElementById('points').value, document.getElementById('reason').value, location.search, document.title.slice(0, 6)]") == ['1', 'Mine.', f'?answer={order[2]}', c.see('ann', '#who')[:6]]
        c.press('ann', 'Enter'); c.next_one('ann', order[2]); assert code_rows(c.book, order[2])[0]['points'] == 1
    assert not [x for x in c.browser('log') if x['kind'] in ('dialog', 'error')]


def test_in_a_long_list_the_current_one_is_in_sight(room):
    c = room({f's{n:03}': graded_as(f's{n:03}', n + 1, [('parse', n % 12)], dict(parse=[SLOW])) for n in range(60)})
    inside = """(() => { const a = document.querySelector('[aria-current]'), box = a.closest('.scroll').getBoundingClientRect(), r = a.getBoundingClientRect(); return r.top >= box.top - 1 && r.bottom <= box.bottom + 1; })()"""
    with serving(c.desk) as port:
        c.enter(port, 'ann'); order = c.browser('js', 'ann', js="[...document.querySelectorAll('#lists li')].map(e => +e.dataset.answer)")
        for n in (40, 59, 0):
            c.browser('goto', 'ann', url=f'http://127.0.0.1:{port}/code?answer={order[n]}', ready=True); assert c.browser('js', 'ann', js=inside), n
        for n in range(12): c.press('ann', 's'); c.next_one('ann', order[n])
        assert c.at('ann') == order[12] and c.browser('js', 'ann', js=inside) and c.browser('js', 'ann', js='scrollY') == 0


def test_points_as_people_type_them(room):
    c = room(few())
    with serving(c.desk) as port:
        c.enter(port, 'ann'); c.to('ann', 'bo')
        for typed in ('abc', '-1', '9', '8,01', '1e0', '1.5.2', '7,x', ' ', '1/2', '٣', '+3', ',', '1 000', 'NaN', '0x1', '99999999'):
            c.browser('fill', 'ann', on='#points', text=typed); c.press('ann', 'Enter')
            assert 'Points from 0 to 8, please' in c.see('ann', '#said') and c.browser('js', 'ann', js="[document.activeElement.id, document.activeElement.ariaInvalid]") == ['points', 'true'], typed
            assert not typed.strip() or typed.strip() in c.see('ann', '#said'), typed
        assert not c.book.rows("select * from mark where source <> 'auto'")
        c.press('ann', '7'); assert c.browser('js', 'ann', js="[document.getElementById('points').value, document.getElementById('points').ariaInvalid]") == ['7', None]  # the wrong one is typed over
        for student, typed, stored in (('bo', '7,25', 7.25), ('bo', '.5', .5), ('bo', ',5', .5), ('cy', '8', 8), ('cy', ' 0.0 ', 0), ('cy', '3.', 3)):
            c.to('ann', student); here = c.at('ann')
            c.browser('fill', 'ann', on='#points', text=typed); c.browser('fill', 'ann', on='#reason', text='Why.'); c.press('ann', 'Enter'); c.next_one('ann', here)
            assert c.row(student)['points'] == stored, typed
        c.to('ann', 'bo'); c.press('ann', '5', 'Escape', '6'); assert c.browser('js', 'ann', js="document.getElementById('points').value") == '6'
        c.press('ann', 'Escape', ',', '5'); assert c.browser('js', 'ann', js="document.getElementById('points').value") == ',5'


def test_two_graders_in_two_windows(room):
    c = room(few())
    with serving(c.desk) as port:
        for name in ('ann', 'ben'): c.enter(port, name); c.to(name, 'bo')
        here = c.at('ann')
        c.press('ann', '7', 'Enter'); c.browser('type', 'ann', text='Nearly <b>all</b>.'); c.press('ann', 'Enter'); c.next_one('ann', here)
        c.press('ben', '2', 'Enter'); c.browser('type', 'ben', text='No.'); c.press('ben', 'Enter')
        c.wait('ben', "!document.getElementById('alert').hidden")
        assert 'Meanwhile ann gave 7 of 8 points (“Nearly <b>all</b>.”). Yours was not stored.' in c.see('ben', '#alert-text') and c.row('bo')['points'] == 7 and 'ann gave 7 of 8' in c.see('ben', '#now')
        assert c.browser('js', 'ben', js="[document.getElementById('points').value, document.getElementById('reason').value, document.querySelectorAll('#alert b').length]") == ['2', 'No.', 0]
        c.press('ben', 'Enter'); c.next_one('ben', here); assert c.row('bo')['points'] == 2  # ben has read it and confirms
        c.press('ann', 'u'); c.wait('ann', "!document.getElementById('alert').hidden"); assert 'cannot be taken back' in c.see('ann', '#alert-text')
        for name in ('ann', 'ben'): c.to(name, 'cy')
        here = c.at('ann')
        c.press('ann', '3', 'Enter'); c.browser('type', 'ann', text='Idea.'); c.press('ann', 'Enter'); c.next_one('ann', here)
        c.press('ben', '1', 'Enter'); c.browser('type', 'ben', text='Hm.'); c.press('ben', 'Enter'); c.wait('ben', "!document.getElementById('alert').hidden")
        c.press('ben', 'l'); c.next_one('ben', here)  # ann's stands, and nothing is written
        assert (c.row('cy')['points'], c.row('cy')['grader'], len(c.book.rows("select * from mark where source = 'human'"))) == (3, 'ann', 3)
        c.to('ann', 'ana'); was = c.at('ann')
    c.press('ann', 'l')  # the program is away
    c.wait('ann', "document.getElementById('alert-text').textContent.includes('does not answer')")
    assert not [x for x in c.browser('log') if x['kind'] in ('dialog', 'error')] and c.at('ann') == was


def test_hostile_cells_in_a_browser(room):
    c = room({f's{n:02}': graded_as(f's{n:02}', n + 1, [('parse', 0)], dict(parse=[clip(text, 500)]), dict(parse=clip(text, 20_000)), got=clip(text)) for n, text in enumerate(HOSTILE)})
    with serving(c.desk) as port:
        c.enter(port, 'ann')
        for n, text in enumerate(HOSTILE):
            c.to('ann', f's{n:02}')
            assert c.browser('text', 'ann', of='#text').strip() == shown(clip(text, 20_000), 200_000).strip()
            assert c.browser('js', 'ann', js="document.querySelectorAll('main img, main iframe, main style, #text *, .test pre *, #flags li *').length") == 0
            assert c.browser('js', 'ann', js='document.title').startswith(c.key[f's{n:02}'])
            here = c.at('ann'); c.press('ann', 'l'); c.next_one('ann', here)
    log = c.browser('log')
    assert not [x for x in log if x['kind'] in ('dialog', 'error')] and all(x['text'].startswith((f'http://127.0.0.1:{port}/', 'data:')) for x in log if x['kind'] == 'request')


@pytest.mark.parametrize('width', [360, 390, 1280])
def test_the_page_fits_and_every_control_has_a_name(room, width):
    c = room(few() | dict(eve=graded_as('eve', 5, [('parse', 0)], dict(parse=['w' * 400]), dict(parse='w' * 3000), got='v' * 1500)))
    with serving(c.desk) as port:
        c.enter(port, 'ann', width=width, height=740)
        for student in ('bo', 'eve', 'dee', None):
            c.to('ann', student) if student else c.browser('goto', 'ann', url=f'http://127.0.0.1:{port}/', ready=False)
            assert c.browser('js', 'ann', js='document.documentElement.scrollWidth') <= width, student
            unnamed = c.browser('js', 'ann', js="""[...document.querySelectorAll('button, a, input, select, textarea, progress, svg, section')].filter(e => !(e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-labelledby') || e.labels?.length
                || e.closest('label') || e.ariaHidden === 'true')).map(e => e.outerHTML.slice(0, 80))""")
            assert unnamed == [] and c.browser('js', 'ann', js="new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length"), student
        c.to('ann', 'eve')
        assert c.browser('js', 'ann', js="document.getElementById('decide').getBoundingClientRect().bottom <= innerHeight + 1")  # the form is in sight
        assert c.browser('js', 'ann', js="document.querySelector('.bar').getBoundingClientRect().height") < (280 if width < 500 else 200)
        order, last = [], None  # by Tab: the answer, then its form, then the list
        while (last := c.browser('js', 'ann', js="(e => e.id || e.closest('#lists') && 'list' || e.tagName)(document.activeElement)")) not in order or last in ('A', 'SUMMARY'):
            order.append(last); c.press('ann', 'Tab')
            if len(order) > 60: break
        wanted = ['who', 'text', 'original', 'points', 'reason', 'give', 'leave', 'undo', 'list']
        assert [x for x in order if x in wanted] == wanted
        here = c.at('ann'); c.browser('js', 'ann', js="document.getElementById('who').focus()"); c.press('ann', 'l'); c.next_one('ann', here)
        assert c.browser('js', 'ann', js='document.documentElement.scrollWidth') <= width and c.browser('js', 'ann', js="document.activeElement.id") == 'who'
        assert c.browser('js', 'ann', js="document.getElementById('decide').getBoundingClientRect().bottom <= innerHeight + 1 && document.getElementById('said').getAttribute('role') === 'status' && document.getElementById('said').textContent !== ''")
