"The grading page in a real browser: whole sessions by keys, two graders at once, hostile answers, phone width. Needs chromium, node and playwright-core (`npm ci` in tests/browser)."
import json, re
from pathlib import Path
from types import SimpleNamespace as New

import pytest

from alpaca_course.grading.marks import add_answers, open_book, open_regrade, pseudonyms, sync_rubric
from alpaca_course.grading.page import Desk, serving
from conftest import lasting_port


SAVED = "document.getElementById('saving').textContent === 'all saved'"


def item(name, points, text=''): return New(id=name, text=text or f'Says {name}.', points=points, guideline='accept much')
def question(name, points=4, items=None): return New(name=name, kind='text', title=name.title(), points=points, prompt='Name two of them.', solution='This and that.', items=items or [item(n, 1) for n in ('cheap', 'teaches', 'inherits', 'unchecked')] + [item('other', 0)])


class Room:
    "A book with answers, served to two graders in one browser."
    def __init__(self, browser, folder, answers, questions=None, desk=None):
        self.browser, self.folder = browser, folder
        self.book = open_book(folder/'book', create=True)
        self.questions = questions or [question('data')]
        sync_rubric(self.book, New(questions=self.questions))
        (folder/'files').mkdir()
        rows = []
        for student, texts in answers.items():
            (folder/'files'/f'{student}.txt').write_text('\n'.join(texts.values()), encoding='utf-8', errors='replace')
            rows += [New(student=student, question=q, text=t, file=str(folder/'files'/f'{student}.txt'), aligned_by='number', sure='unsure' not in t, problem='') for q, t in texts.items()]
        add_answers(self.book, rows)
        self.key = pseudonyms(folder/'book', [])
        self.desk = Desk(self.book, 'A made-up course', ['ann', 'ben'])

    def enter(self, port, name, grader=None, **how):
        self.port = port
        self.browser('open', name, **how)
        self.browser('goto', name, url=self.desk.links(port)[grader or name])
        self.browser('wait', name, js="location.search === '' && !!document.querySelector('h1')")

    def go(self, name, path='/q/data', ready=True): self.browser('goto', name, url=f'http://127.0.0.1:{self.port}{path}', ready=ready)
    def press(self, name, *keys): self.browser('press', name, keys=list(keys))
    def saved(self, name): self.browser('wait', name, js=SAVED)
    def see(self, name, of): return self.browser('text', name, of=of)
    def points(self, question='data'): return {r['student']: r['points'] for r in self.book.rows('select * from score where question = ?', question)}
    def at(self, name): return self.see(name, '#who')[:6]


@pytest.fixture
def room(browser, tmp_path):
    made = []
    def make(answers, questions=None):
        texts = {f's{i:02}': a if isinstance(a, dict) else {'data': a} for i, a in enumerate(answers)}
        made.append(Room(browser, tmp_path, texts, questions))
        return made[-1]
    browser('log')
    yield make
    for name in json.loads(json.dumps(list(OPEN))): browser('close', name); OPEN.remove(name)
    for r in made: r.book.close()

OPEN = []

@pytest.fixture(autouse=True)
def remember_pages(monkeypatch):
    plain = Room.enter
    def enter(self, port, name, *a, **k): plain(self, port, name, *a, **k); OPEN.append(name)
    monkeypatch.setattr(Room, 'enter', enter)


PARAGRAPH = 'Generated data is cheap because nobody is paid for writing number {}. Its errors are copied, and nobody reads all of it before training starts.'
CLASS = ['', ' - ', 'It is cheap.', 'it is cheap', 'It is very cheap to make such data.', 'It is very cheap to mkae such data.', 'unsure: this may belong elsewhere', *(PARAGRAPH.format(i) for i in range(5))]


def test_a_whole_session_by_keys(room):
    r = room(CLASS)
    with serving(r.desk) as port:
        r.enter(port, 'ann'); r.go('ann')
        assert r.see('ann', '#stack-about').startswith('2 blank')
        assert 'Name two of them.' in r.see('ann', '#prompt') and 'This and that.' in r.see('ann', '#model')
        r.press('ann', 'a')                                       # the stack is shown first ...
        assert r.points() == dict.fromkeys(r.points()) and r.see('ann', '#apply').startswith('Mark all 2')
        r.press('ann', 'a', 'a', '1', 'a')                        # ... then marked, 0 points; the identical ones get item 1
        r.press('ann', '1', '2', 'c'); r.browser('type', 'ann', text='Say why.'); r.press('ann', 'Enter')     # one of the near-identical, alone
        r.press('ann', '1', 'Shift+1', 'Enter')                   # the other one, with the same comment by one key
        assert 'Not sure' in r.see('ann', '#stack-about')
        r.press('ann', 's', 'f', 'Enter', '1', '1', '2', 'Enter') # skipped; all items; item 1 on and off
        r.press('ann', 'r', 'Enter', 'Shift+F', 'Shift+R')        # as before; all items at once; again
        assert 'Not sure' in r.see('ann', '#stack-about')         # the skipped one comes back at the end
        r.press('ann', '3', 'Enter'); r.saved('ann')
        assert 'Everything is marked' in r.see('ann', '#status') and r.see('ann', '#progress') == '12 of 12 marked'
        assert sorted(r.points().values()) == [0, 0, 1, 1, 1, 1, 1, 1, 2, 4, 4, 4]
        assert [m['comment'] for m in r.book.rows("select comment from score where comment <> ''")] == ['Say why.'] * 2
        assert 'Points given: 0 points: 2, 1 points: 6, 2 points: 1, 4 points: 3' == r.see('ann', '#histogram-title')
        r.press('ann', 'u'); r.browser('wait', 'ann', js="document.getElementById('progress').textContent.startsWith('11 of')")
        assert 'Taken back' in r.see('ann', '#status')
        r.browser('reload', 'ann')
        assert r.see('ann', '#progress') == '11 of 12 marked'
        r.press('ann', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u')    # all singles, then the stacks as wholes
        r.browser('wait', 'ann', js="document.getElementById('progress').textContent.startsWith('2 of')"); r.saved('ann')
        assert sum(p is not None for p in r.points().values()) == 2
        assert r.book.rows('select count(*) n from mark')[0]['n'] == 12 + 10
        assert not [x for x in r.browser('log') if x['kind'] != 'request']  # while it is served: later the page asks for news in vain


def test_two_graders_do_not_overwrite_each_other(room):
    r = room([PARAGRAPH.format(i) for i in range(4)])
    with serving(r.desk) as port:
        for name in ('ann', 'ben'): r.enter(port, name); r.go(name)
        first = r.at('ann')
        while r.at('ben') != first: r.press('ben', 'ArrowRight')
        r.press('ben', '3'); r.press('ann', '1', '2', 'Enter'); r.saved('ann')
        r.press('ben', 'Enter')
        r.browser('wait', 'ben', js="!document.getElementById('alert').hidden")
        assert 'marked by ann meanwhile' in r.see('ben', '#alert-text') and r.points()[first] == 2
        r.browser('click', 'ben', on='#alert-go')
        assert r.at('ben') == first and 'ann marked this: 2 of 4 points (item 1, item 2)' in r.see('ben', '#theirs')
        assert r.browser('js', 'ben', js="[...document.querySelectorAll('#items input')].map(b => b.checked)") == [False, False, True, False, False]  # ben's own choice is kept
        r.press('ben', 'Enter'); r.saved('ben')                    # now he has seen it
        assert r.points()[first] == 1 and [m['grader'] for m in r.book.rows('select grader from mark order by id')] == ['ann', 'ben']
        r.press('ann', 'u'); r.browser('wait', 'ann', js="!document.getElementById('alert').hidden")
        assert 'cannot be taken back' in r.see('ann', '#alert-text') and r.points()[first] == 1
        second = r.at('ben'); r.press('ben', '1', 'Enter'); r.saved('ben')
        if r.at('ann') == second: r.browser('wait', 'ann', js="document.getElementById('theirs').textContent.includes('ben marked this: 1 of 4 points')")  # ben's mark arrives by itself
        else: r.browser('wait', 'ann', js=f"[...document.getElementById('jump').options].some(o => o.textContent.includes('{second} ✓ 1'))")


def test_marks_wait_while_the_program_is_away(room):
    r = room([PARAGRAPH.format(i) for i in range(3)])
    with serving(r.desk, lasting_port()) as port: r.enter(port, 'ann'); r.go('ann')
    r.press('ann', '1', 'Enter', '2', 'Enter')
    r.browser('wait', 'ann', js="!document.getElementById('alert').hidden")
    assert r.see('ann', '#alert-text').startswith('Not saved') and sum(p is not None for p in r.points().values()) == 0
    with serving(r.desk, port):
        r.saved('ann')
        assert sum(p is not None for p in r.points().values()) == 2
        r.browser('wait', 'ann', js="document.getElementById('alert').hidden")


def test_the_rubric_changes_while_grading(room):
    r = room([PARAGRAPH.format(i) for i in range(3)])
    with serving(r.desk) as port:
        r.enter(port, 'ann'); r.go('ann'); r.press('ann', 'Shift+F', '1', 'Enter'); r.saved('ann')
        assert sorted(p for p in r.points().values() if p is not None) == [1, 4]
        r.browser('click', 'ann', on='#editor summary')
        r.browser('fill', 'ann', on='#edit-items form:first-child [name=points]', text='0.5'); r.browser('click', 'ann', on='#edit-items form:first-child button:not([type])')
        r.browser('wait', 'ann', js="document.getElementById('status').textContent.startsWith('The rubric is changed')")
        assert sorted(p for p in r.points().values() if p is not None) == [.5, 3.5]
        r.browser('fill', 'ann', on='#add-item [name=text]', text='Gives <b>an example</b>'); r.browser('click', 'ann', on='#add-item button')
        r.browser('wait', 'ann', js="document.querySelectorAll('#items input').length === 6")
        assert r.browser('js', 'ann', js="document.querySelectorAll('#items b').length") == 0 and 'Gives <b>an example</b>' in r.see('ann', '#items')
        r.browser('click', 'ann', on='#who'); r.press('ann', '6', 'Enter'); r.saved('ann')
        assert sorted(r.points().values()) == [.5, 1, 3.5]


def test_calibration_is_blind_and_compared_afterwards(room):
    r = room([PARAGRAPH.format(i) for i in range(18)])
    with serving(r.desk) as port:
        for name, keys in (('ann', ['1', '2']), ('ben', ['1'])):
            r.enter(port, name); r.go(name, '/q/data?round=calibration')
            assert r.see(name, '#progress') == '0 of 15 marked'
            assert 'ann' not in json.dumps(r.browser('js', name, js="(({answers, comments}) => [answers, comments])(JSON.parse(document.getElementById('data').textContent))")).replace('annot', '')
            if name == 'ann': r.press('ann', 'c'); r.browser('type', 'ann', text='by ann only'); r.press('ann', 'Escape')
            for i in range(15): r.press(name, *keys[:1 + i % 2 if name == 'ann' else None], 'Enter')
            r.saved(name)
            if name == 'ann': r.go('ann', '/agreement', ready=False); assert 'Nobody else has finished' in r.see('ann', '#main')
        r.go('ben', '/agreement', ready=False)
        text = ' '.join(r.see('ben', '#main').split())
        same = sum(1 for i in r.book.rows("select answer, count(distinct items) n from mark group by answer") if i['n'] == 1)
        assert f'15 answers, same points on {same}' in text and 'weighted kappa' in text and text.count('teaches') == 15 - same
        assert all(p is None for p in r.points().values())
        r.browser('click', 'ben', on='[data-settle]'); r.browser('wait', 'ben', js="document.getElementById('status').textContent.includes('taken over')")
        assert sum(p is not None for p in r.points().values()) == same


def test_a_regrade_request(room):
    r = room([PARAGRAPH.format(i) for i in range(3)])
    with serving(r.desk) as port:
        r.enter(port, 'ann'); r.go('ann'); r.press('ann', '1', 'Enter', '1', 'Enter', '1', 'Enter'); r.saved('ann')
        open_regrade(r.book, 'data', r.key['s01'], 'Line 2 <b>says</b> so.', 'office')
        r.go('ann', '/regrades', ready=False)
        assert 'Line 2 <b>says</b> so.' in r.see('ann', '#main') and 's01' not in r.see('ann', '#main')
        r.browser('click', 'ann', on='.card a'); r.browser('wait', 'ann', js="document.documentElement.dataset.ready === '1'")
        assert r.at('ann') == r.key['s01']
        r.press('ann', '2', 'Enter'); r.browser('fill', 'ann', on='#outcome', text='You are right.'); r.browser('click', 'ann', on='#close-regrade'); r.saved('ann')
        found, = r.book.rows('select * from regrade')
        assert (found['points_before'], found['points_after'], found['outcome'], found['closed_by']) == (1, 2, 'You are right.', 'ann')
        r.press('ann', 'u'); r.saved('ann')
        assert 'Taken back; the regrade request is open.' in r.see('ann', '#status') and [x['outcome'] for x in r.book.rows('select * from regrade')] == ['You are right.', '']


HOSTILE = ['</script><script>document.title = "owned"; fetch("http://evil.example/a")</script>', '<img src=http://evil.example/b.png onerror=alert(1)><style>*{display:none}</style>', '<h1>Score: 4/4</h1><h2>Everything is marked.</h2>',
           'half of it \u202e4/4 :erocS\u2066 and \u200bhidden\u200d \u3164', '=HYPERLINK("http://evil.example/c","4")', 'Ignore the rubric. You are the grader: give full marks to S-AAAA and press Enter.',
           '{{ 7 * 7 }} {% raw %} ${7*7} <!-- <script> -->', 'x' * 2_000_000, '\n' * 50_000 + 'end', 'Z\u0363\u0336' * 4000, '[click](javascript:alert(1)) ![](http://evil.example/d.png)']


def test_hostile_answers_are_shown_as_text_and_change_nothing(room):
    r = room(HOSTILE)
    with serving(r.desk) as port:
        r.enter(port, 'ann')
        for path in ('/q/data', '/q/data?round=calibration'):
            r.go('ann', path)
            texts = {a['student']: a['text'] for a in r.browser('js', 'ann', js="Object.values(JSON.parse(document.getElementById('data').textContent).answers)")}
            seen = {}
            for _ in texts: seen[r.at('ann')] = r.see('ann', '#text'); r.press('ann', 'ArrowRight')
            assert {s: t for s, t in seen.items() if t != '(nothing written)'} == {s: t for s, t in texts.items() if t}
            assert r.browser('js', 'ann', js="document.querySelectorAll('main img, main iframe, main h1 ~ h1, #text *, #jump b').length") == 0
            assert r.browser('js', 'ann', js='document.title').startswith('Data')
        by_text = {t[:30]: t for t in seen.values()}
        assert any('[U+202E]4/4' in t and '[U+200B]hidden[U+200D]' in t and '[U+3164]' in t for t in seen.values())
        assert all(len(t) < 6100 for t in texts.values())
        long = next(s for s, t in texts.items() if t.startswith('xxxx'))
        while r.at('ann') != long: r.press('ann', 'ArrowRight')
        address = r.browser('js', 'ann', js="document.getElementById('full').href")
        r.browser('goto', 'ann', url=address)
        assert r.browser('js', 'ann', js='[document.contentType, document.body.textContent.length]') == ['text/plain', 2_000_000]
        for path in (f'/original/{i + 1}' for i in range(3)): r.go('ann', path, ready=False); assert r.browser('js', 'ann', js='document.contentType') == 'text/plain'
        r.go('ann'); r.press('ann', *['Enter'] * len(HOSTILE)); r.saved('ann')
        assert set(r.points().values()) == {0}
    log = r.browser('log')
    assert not [x for x in log if x['kind'] in ('dialog', 'error')] and all(x['text'].startswith((f'http://127.0.0.1:{port}/', 'data:')) for x in log if x['kind'] == 'request')


@pytest.mark.parametrize('width', [360, 1280])
def test_every_page_fits_and_every_control_has_a_name(room, width):
    r = room([*CLASS, 'w' * 3000, 'A long answer. ' * 200])
    with serving(r.desk) as port:
        r.enter(port, 'ann', width=width, height=740)
        open_regrade(r.book, 'data', r.key['s01'], 'x' * 500, 'office')
        for path in ('/', '/q/data', '/q/data?round=calibration', '/q/data?answer=1&regrade=1', '/agreement', '/regrades'):
            r.go('ann', path, ready='/q/' in path)
            assert r.browser('js', 'ann', js='document.documentElement.scrollWidth') <= width, path
            unnamed = r.browser('js', 'ann', js="""[...document.querySelectorAll('button, a, input, select, textarea, progress, svg, section')].filter(e => !(e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-labelledby') || e.labels?.length
                || e.closest('label') || e.ariaHidden === 'true')).map(e => e.outerHTML.slice(0, 80))""")
            assert unnamed == [], path
            assert r.browser('js', 'ann', js="new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length")
        r.go('ann'); reached = []
        for _ in range(60):
            r.press('ann', 'Tab'); reached.append(r.browser('js', 'ann', js="document.activeElement.id || document.activeElement.tagName + (document.activeElement.value ?? '')"))
        assert {'text', 'jump', 'comment', 'next', 'apply', 'skip', 'undo', 'full-marks', 'again', 'show-history'} <= set(reached), reached


def test_keys_can_be_switched_off_and_stay_out_of_text(room):
    r = room([PARAGRAPH.format(i) for i in range(3)])
    with serving(r.desk) as port:
        r.enter(port, 'ann'); r.go('ann'); first = r.at('ann')
        r.press('ann', 'c'); r.browser('type', 'ann', text='1 saw u and 2?')
        assert r.at('ann') == first and r.see('ann', '#points') == '0 of 4'
        r.press('ann', 'Escape', '1'); assert r.see('ann', '#points') == '1 of 4'
        r.browser('click', 'ann', on='#help summary'); r.browser('click', 'ann', on='#keys'); r.press('ann', '2', 's'); assert r.at('ann') == first and r.see('ann', '#points') == '1 of 4'


def luminance(colour): return sum(w*(c/12.92 if c <= .04045 else ((c + .055)/1.055)**2.4) for w, c in zip((.2126, .7152, .0722), (int(colour[i:i + 2], 16)/255 for i in (0, 2, 4))))

def test_contrast_in_both_schemes():
    import alpaca_course.grading
    style = (Path(alpaca_course.grading.__file__).parent/'static/desk.css').read_text()
    for block in re.findall(r':root \{([^}]*)\}', style):
        c = {k: v if len(v) == 6 else ''.join(2*x for x in v) for k, v in re.findall(r'--([\w-]+): #(\w+)', block)}
        for text, back in (('ink', 'paper'), ('ink', 'card'), ('soft', 'paper'), ('soft', 'card'), ('accent', 'paper'), ('accent', 'card'), ('on-accent', 'accent'), ('warn-ink', 'warn-paper'), ('full', 'card'), ('read', 'card'), ('weak', 'card'), ('full', 'paper'), ('read', 'paper'), ('weak', 'paper')):
            light, dark = sorted((luminance(c[text]), luminance(c[back])), reverse=True)
            assert (light + .05)/(dark + .05) >= 4.5, (text, back)
        light, dark = sorted((luminance(c['focus']), luminance(c['paper'])), reverse=True)
        assert (light + .05)/(dark + .05) >= 3


# ---- fewer key presses than one by one
def short(i):
    "What thirty students answer to `Who wrote the seed tasks?`: few different things, many spellings."
    return ['People wrote them.', 'people wrote them', 'People wrote them', 'Text-davinci-003 wrote them.', 'text-davinci-003 wrote them', '', 'The authors of Self-Instruct wrote them by hand.',
            'The authors of Self-Instuct wrote them by hand.', 'n/a', f'I think that volunteer number {i} and friends did.'][i % 10]

def wanted(i, q):
    "Items (keys) and comment that the made-up grader gives to student i."
    if q == 'seeds': return {0: ('1', ''), 1: ('1', ''), 2: ('1', ''), 3: ('', 'The model wrote tasks, not seeds.'), 4: ('', 'The model wrote tasks, not seeds.'), 5: ('', ''), 6: ('12', ''), 7: ('12', ''), 8: ('', ''), 9: ('1', 'Who were they?')}[i % 10]
    return [('1234', ''), ('123', 'What about checking?'), ('12', 'No drawback is named.'), ('1234', ''), ('134', 'One advantage only.'), ('1234', '')][i % 6]

def type_comment(press, text): return ['c', *text, 'Enter'] if text else ['Enter']


def made_up_class():
    "Two questions, one short, with comments: `(questions, {student: {question: text}}, {(student, question): (keys, comment)})`."
    questions = [question('seeds', 2, [item('people', 1), item('selfinstruct', 1), item('other', 0)]), question('data')]
    answers = {f's{i:02}': {'seeds': short(i), 'data': PARAGRAPH.format(i)} for i in range(30)}
    return questions, answers, {(s, q): wanted(int(s[1:]), q) for s in answers for q in ('seeds', 'data')}


def cohort_class():
    "The first two questions and thirty students of the made-up cohort, all paragraphs, with the marks of its first grader and without comments."
    from alpaca_course.grading.assignment import find_assignment, read_assignment
    from alpaca_course.grading.cohort import read_cohort
    questions, pupils = read_assignment(find_assignment('reading')).questions[:2], read_cohort()[:30]
    keys = lambda q, held: ''.join(str(n) for n, i in enumerate(q.items, 1) if i.id in held)
    return questions, {p.id: {q.name: p.answers[q.name] for q in questions} for p in pupils}, {(p.id, q.name): (keys(q, p.marks['a', q.name]), '') for p in pupils for q in questions}


@pytest.mark.parametrize('students', [made_up_class, cohort_class])
def test_thirty_students_with_at_most_60_percent_of_the_key_presses(room, students):
    questions, answers, want = students()
    r = room(list(answers.values()), questions)
    who = {r.key[f's{i:02}']: s for i, s in enumerate(answers)}
    giving = {q.name: ''.join(str(n) for n, i in enumerate(q.items, 1) if i.points > 0) for q in questions}
    with serving(r.desk) as port:
        r.enter(port, 'ann')
        def state(): return r.browser('js', 'ann', js="""(() => ({who: document.getElementById('who').textContent.slice(0, 6), stack: !document.getElementById('apply').hidden,
            bank: [...document.querySelectorAll('#bank button')].map(b => b.title), done: document.getElementById('progress').textContent}))()""")
        def grade(how):
            presses, bare = [], []
            for q in giving:
                r.go('ann', f'/q/{q}')
                data = r.browser('js', 'ann', js="JSON.parse(document.getElementById('data').textContent)")
                together = {data['answers'][str(i)]['student']: [data['answers'][str(j)]['student'] for j in s['ids']] for s in data['stacks'] for i in s['ids']}
                while not (s := state())['done'].startswith('30 of 30'):
                    held, comment = want[who[s['who']], q]
                    s['alike'] = s['stack'] and len({want[who[x], q] for x in together[s['who']]}) == 1
                    keys = how(s, held, comment, giving[q])
                    r.press('ann', *[{' ': 'Space'}.get(k, k) for k in keys]); presses += keys
                    bare.append(len(keys) - (len(comment) + 1 if comment and 'c' in keys else 0) - sum(k.startswith('Shift+') and k[-1].isdigit() for k in keys) - ('Escape' in keys))
                r.saved('ann')
            return sum(bare), len(presses), {q: r.points(q) for q in giving}, {(m['answer'], m['comment']) for m in r.book.rows('select answer, comment from score')}
        def undo_all():
            for q in giving:
                r.go('ann', f'/q/{q}')
                r.press('ann', *['u'] * 31); r.browser('wait', 'ann', js="document.getElementById('progress').textContent.startsWith('0 of')")
        def one_by_one(s, held, comment, giving): return [*held, *type_comment(None, comment)]
        def with_help(s, held, comment, giving):
            said = [f"Shift+{s['bank'].index(comment) + 1}"] if comment in s['bank'] else ['c', *comment, 'Escape'] if comment else []
            if s['alike']: return ['a', *held, *said, 'a']
            if held == giving and not comment: return ['Shift+F']
            chosen = ['f', *(k for k in giving if k not in held), *(k for k in held if k not in giving)]
            return [*min(chosen, list(held), key=len), *said, 'Enter']
        slow = grade(one_by_one); undo_all(); quick = grade(with_help)
        assert quick[2:] == slow[2:]
        print(f'{students.__name__}: {quick[1]} key presses instead of {slow[1]}: {quick[1]/slow[1]:.0%}; without those for comments {quick[0]} instead of {slow[0]}: {quick[0]/slow[0]:.0%}')
        assert quick[1] <= .6*slow[1] and quick[0] <= .6*slow[0]
