"Suggestions in a real browser: nothing prefilled, lanes by words and shapes, a blind re-read, bulk accept, undo, reload. Needs what test_page_browser.py needs."
import pytest

from alpaca_course.grading.lanes import counts
from alpaca_course.grading.page import Desk, grade_arguments, open_desk, serving
from alpaca_course.grading.reread import Suggestions, open_reread, rereads, to_read, unmarked
from lanes_class import HOSTILE, POINTS, give, made_up_book


SAVED = "document.getElementById('saving').textContent === 'all saved'"


class Room:
    "A class with suggestions on, served to graders in one browser."
    def __init__(self, browser, folder, n=60):
        self.browser, self.pages = browser, []
        self.book, self.earned = made_up_book(folder/'book', n, more=HOSTILE)
        self.lanes = Suggestions(self.book, pause=0)
        self.desk = Desk(self.book, 'A made-up course', ['ann', 'ben'], self.lanes)
        self.ids = {r['student']: r['id'] for r in self.book.rows('select id, student from answer')}

    def enter(self, port, name, **how):
        self.port = port
        self.browser('open', name, **how); self.pages.append(name)
        self.browser('goto', name, url=self.desk.links(port)[name])
        self.browser('wait', name, js="location.search === '' && !!document.querySelector('h1')")
        self.go(name)

    def go(self, name, path='/q/data'): self.browser('goto', name, url=f'http://127.0.0.1:{self.port}{path}', ready=True)
    def press(self, name, *keys): self.browser('press', name, keys=list(keys))
    def see(self, name, of): return self.browser('text', name, of=of)
    def js(self, name, of): return self.browser('js', name, js=of)
    def wait(self, name, js): self.browser('wait', name, js=js)
    def at(self, name): return self.ids[self.see(name, '#who')[:6]]
    def saved(self, name): self.wait(name, SAVED)
    def points(self): return {r['answer']: r['points'] for r in self.book.rows('select answer, points from score')}
    def fresh(self, name): self.lanes.ready(self.book, 'data'); self.browser('reload', name); self.wait(name, "document.getElementById('lanes-counts').textContent !== ''")
    def to(self, name, answer): self.go(name, f'/q/data?answer={answer}'); self.wait(name, "document.getElementById('lanes-status').textContent.startsWith('From')")

    def grade(self, name, n):
        "Mark the next `n` answers as they deserve, with keys."
        for _ in range(n): self.press(name, *(str(k + 1) for k in self.earned[self.at(name)]), 'Enter')
        self.saved(name)

    def shut(self):
        for name in self.pages: self.browser('close', name)
        self.lanes.stop(); self.book.close()


@pytest.fixture
def room(browser, tmp_path):
    found = Room(browser, tmp_path)
    browser('log')
    yield found
    found.shut()


def ticked(r, name): return r.js(name, "document.querySelectorAll('#items input:checked').length")
def button(r, name, what, then):
    r.browser('click', name, on=f'[data-do="{what}"]')
    r.wait(name, then)


def test_a_session_with_suggestions(room):
    r = room
    with serving(r.desk) as port:
        r.enter(port, 'ann')
        r.wait('ann', "document.getElementById('lanes-status').textContent.includes('no lanes')")         # before any mark: an order and places only
        r.press('ann', 'ArrowRight', 'h'); r.wait('ann', "!document.getElementById('lane').hidden")
        assert 'no suggestion' in r.see('ann', '#lane') and 'needs 3 marks' in r.see('ann', '#lane')
        r.press('ann', 'ArrowLeft'); r.grade('ann', 16); r.fresh('ann')
        green = counts(r.lanes.found['data'], unmarked(r.book, 'data'))['green']
        assert green > 8 and f'● {green} green' in ' '.join(r.see('ann', '#lanes-counts').split()) and '◆' in r.see('ann', '#lanes-counts') and '■' in r.see('ann', '#lanes-counts')
        page = r.js('ann', "document.getElementById('data').textContent")
        assert 'green' not in page and 'lane"' not in page                                               # no lane comes with the page
        for _ in range(8): assert ticked(r, 'ann') == 0 and r.see('ann', '#points') == '0 of 4' and r.js('ann', "document.getElementById('lane').hidden"); r.press('ann', 'ArrowRight')

        lane = {i: r.lanes.found['data'].said[i][0] for i in unmarked(r.book, 'data')}
        one = next(i for i in lane if lane[i] == 'red')
        r.to('ann', one); r.press('ann', *(str(k + 1) for k in r.earned[one]), 'Enter'); r.saved('ann')
        r.wait('ann', "!document.getElementById('last').hidden")                                          # after the mark: what had been suggested
        assert 'red lane: below half is a fair chance' in r.see('ann', '#last') and '■' in r.see('ann', '#last') and f'you gave {len(r.earned[one])}' in r.see('ann', '#last')

        two = next(i for i in lane if lane[i] == 'green')
        r.to('ann', two); r.press('ann', 'h'); r.wait('ann', "!document.getElementById('lane').hidden")
        assert '● green lane: full marks are likely; 80 % interval' in r.see('ann', '#lane') and ticked(r, 'ann') == 0
        assert [h['answer'] for h in r.book.rows('select answer from hint where mark is null')] == [two]

        r.lanes.ready(r.book, 'data'); r.go('ann', '/lanes/data')
        assert 'in the green stack now' in r.see('ann', '#main') and not r.js('ann', "document.querySelector('.stack')")     # nothing to be read beforehand
        button(r, 'ann', 'begin', "location.pathname === '/q/data' && document.documentElement.dataset.ready === '1'")
        row = open_reread(r.book, 'data')
        assert two not in row['green'] and len(to_read(row)) == 10 and r.at('ann') in to_read(row)
        seen = []
        while 'still to mark' in r.see('ann', '#reread'):
            assert r.js('ann', "document.querySelectorAll('#text mark').length") == 0 and r.js('ann', "document.getElementById('flags').hidden && document.getElementById('last').hidden && document.getElementById('lane').hidden")
            r.press('ann', 'h'); seen.append(r.at('ann'))
            if len(seen) == 4: r.browser('reload', 'ann'); assert r.at('ann') not in seen[:3]; seen.pop(); seen.append(r.at('ann'))
            r.grade('ann', 1)
        assert set(seen) == set(to_read(row)) and r.book.rows('select count(*) n from hint where mark is null')[0]['n'] == 1
        assert 'Every answer of the blind re-read is marked' in r.see('ann', '#reread')
        r.go('ann', '/lanes/data'); assert not r.js('ann', "document.querySelector('table, .shape')")       # hidden until it is decided
        button(r, 'ann', 'decide', "document.getElementById('main').textContent.includes('Passed.') || document.getElementById('main').textContent.includes('failed')")
        r.lanes.ready(r.book, 'data'); r.go('ann', '/lanes/data')
        shown = [int(i) for i in r.js('ann', "[...document.querySelectorAll('[data-answer]')].map(e => e.dataset.answer)")]
        assert shown and set(shown) <= set(row['green']) - set(row['chosen']) and 'Passed.' in r.see('ann', '#main')
        r.browser('click', 'ann', on='[data-answer] input'); assert r.see('ann', '#many') == str(len(shown) - 1)
        before = r.points()
        button(r, 'ann', 'accept', "!!document.querySelector('[data-do=\"take back\"]')")
        after = r.points()
        assert {i: p for i, p in after.items() if p != before[i]} == dict.fromkeys(shown[1:], 4)
        assert f'{len(shown) - 1} marks stand' in r.see('ann', '#main')
        r.browser('reload', 'ann'); assert f'{len(shown) - 1} marks stand' in r.see('ann', '#main')
        r.go('ann', f'/q/data?answer={shown[1]}'); assert 'ann marked this in bulk, after a blind re-read: 4 of 4' in r.see('ann', '#theirs')
        r.press('ann', 'u'); r.wait('ann', "document.getElementById('status').textContent.startsWith('Taken back')")
        assert r.points() == before                                                                        # one step takes all of them back
        r.go('ann', '/lanes/data'); assert 'None of these marks stands any more' in r.see('ann', '#main') and 'passed' in r.see('ann', '#main')
        assert len(rereads(r.book, 'data')) == 1
        assert not [x for x in r.browser('log') if x['kind'] != 'request']  # while it is served: later the page asks for news in vain


def test_weakest_first_is_a_choice(room):
    r = room
    with serving(r.desk) as port:
        r.enter(port, 'ann')
        r.wait('ann', "document.getElementById('lanes-status').textContent.includes('no lanes')")
        r.js('ann', "(() => { const e = document.getElementById('order'); e.value = 'weak'; e.dispatchEvent(new Event('change')); })()")
        order, met = list(r.lanes.found['data'].order), []
        r.press('ann', 's')
        for _ in range(8): met.append(r.at('ann')); r.press('ann', 's')
        assert met == [i for i in order if i in met] and set(met) <= set(order[:11])
        assert all(p is None for p in r.points().values())


def test_hostile_answers_stay_text_with_marked_places(room):
    r = room
    with serving(r.desk) as port:
        r.enter(port, 'ann')
        r.wait('ann', "document.getElementById('lanes-status').textContent.startsWith('From')")
        hostile = next(i for i in r.ids.values() if r.book.rows('select text from answer where id = ?', i)[0]['text'] == HOSTILE[1])
        r.to('ann', hostile)
        assert r.see('ann', '#text') == HOSTILE[1] and r.js('ann', "document.querySelectorAll('#text mark').length") >= 1
        assert r.js('ann', "document.querySelectorAll('#text script, #text b, #flags script, #key-points b').length") == 0
        assert 'speaks to the grader' in r.see('ann', '#flags') and [e.strip() for e in r.js('ann', "[...document.querySelectorAll('#points-list li')].map(e => e.textContent)")] == POINTS
        good = next(i for i, e in r.earned.items() if len(e) == 4)
        r.to('ann', good)
        assert r.see('ann', '#text') == r.book.rows('select text from answer where id = ?', good)[0]['text'] and len(r.js('ann', "[...document.querySelectorAll('#text mark[data-points]')].map(e => e.dataset.points)")) >= 2
        r.browser('click', 'ann', on='#places'); assert r.js('ann', "document.querySelectorAll('#text mark').length") == 0
    log = r.browser('log')
    assert not [x for x in log if x['kind'] in ('dialog', 'error')] and all(x['text'].startswith((f'http://127.0.0.1:{port}/', 'data:')) for x in log if x['kind'] == 'request')


def test_a_reread_silences_the_page_of_others_and_their_marks_make_it_void(room):
    r = room
    with serving(r.desk) as port:
        r.enter(port, 'ann'); r.grade('ann', 16); r.lanes.ready(r.book, 'data')
        r.enter(port, 'ben'); r.wait('ben', "document.getElementById('lanes-counts').textContent.includes('green')")
        r.go('ann', '/lanes/data'); button(r, 'ann', 'begin', "location.pathname === '/q/data' && document.documentElement.dataset.ready === '1'")
        r.wait('ben', "document.getElementById('lanes-status').textContent.startsWith('ann is in a blind re-read')")
        assert r.js('ben', "document.querySelectorAll('#text mark').length") == 0 and 'Somebody is in a blind re-read' in r.see('ben', '#reread')
        row = open_reread(r.book, 'data')
        r.go('ben', f"/q/data?answer={row['chosen'][0]}"); r.press('ben', 'Enter'); r.saved('ben')
        r.browser('reload', 'ann'); r.grade('ann', 9)
        r.go('ann', '/lanes/data'); button(r, 'ann', 'decide', "document.getElementById('main').textContent.includes('void')")
        assert 'was marked by ben' in r.see('ann', '#main') and not r.js('ann', "document.querySelector('[data-do=accept]')")
        replies = r.browser('js', 'ben', js="""Promise.all([['/api/look', {answer: 999}], ['/api/look', {answer: '1'}], ['/api/reread', {do: 'accept', number: 1, seen: {'1': 0}}], ['/api/reread', {do: 'dance', number: 1}], ['/api/reread', {do: 'begin', question: 'nothing'}]].map(
            async ([path, body]) => { const reply = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)}); return [reply.status, (await reply.json()).error]; }))""")
        assert all(status == 400 and words for status, words in replies), replies
        assert not r.book.rows("select * from mark where source <> 'human'")


@pytest.mark.parametrize('width', [360, 1280])
def test_pages_with_suggestions_fit_and_have_names(room, width):
    r = room
    give(r.book, list(r.ids.values())[:16], r.earned); r.lanes.ready(r.book, 'data')
    with serving(r.desk) as port:
        r.enter(port, 'ann', width=width, height=740)
        for path in ('/', '/q/data', '/lanes/data'):
            r.browser('goto', 'ann', url=f'http://127.0.0.1:{port}{path}', ready=path != '/')
            if path == '/q/data': r.wait('ann', "document.getElementById('lanes-counts').textContent !== ''"); r.press('ann', 'h'); r.wait('ann', "!document.getElementById('lane').hidden")
            assert r.js('ann', 'document.documentElement.scrollWidth') <= width, path
            unnamed = r.js('ann', """[...document.querySelectorAll('button, a, input, select, textarea, progress, svg, section')].filter(e => !(e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-labelledby') || e.labels?.length
                || e.closest('label') || e.ariaHidden === 'true')).map(e => e.outerHTML.slice(0, 80))""")
            assert unnamed == [], path
            assert r.js('ann', "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length")


def test_off_by_default_and_said_in_the_help(tmp_path, capsys):
    import argparse
    parser = argparse.ArgumentParser(); grade_arguments(parser)
    args = parser.parse_args(['--demo', '--book', str(tmp_path/'demo')])
    desk = open_desk(args)
    assert desk.lanes is None and 'never a grader' in ' '.join(parser.format_help().split())
    desk.book.close()
    desk = open_desk(parser.parse_args(['--demo', '--suggest', '--book', str(tmp_path/'demo')]))
    found = desk.lanes.ready(desk.book, 'synthetic_data')
    assert len(found.points) == 5 and found.points[0].startswith('Machine-written data is cheap') and len(found.order) == 60
    desk.lanes.stop(); desk.book.close()
