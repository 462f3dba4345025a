"""The page for points of code in the real browser: 500 students with three code questions each, a quarter of them flagged; from the key that decides to the next answer painted.

`python benchmarks/codepage.py [STUDENTS [DECISIONS]]` (chromium, node, `npm ci` in tests/browser). Twice: with half a second of reading before each key, and with none, where a key waits
for the decision before it to be stored. The time to store is told apart."""
import json, random, statistics, sys, tempfile, time
from pathlib import Path
from types import SimpleNamespace as New

sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tests/browser'))
from alpaca_course.grading.codepage import CodePage, code_rows
from alpaca_course.grading.intake import import_points
from alpaca_course.grading.marks import open_book
from alpaca_course.grading.page import Desk, serving
from driver import Browser, installed

NAMES, TESTS = ('one', 'two', 'three'), 12
WATCH = """window.took = []; window.pressed = 0; document.addEventListener('keydown', e => { if (e.key === 'l') pressed = e.timeStamp; }, true);
new MutationObserver(() => { const at = pressed; pressed = 0; if (at) requestAnimationFrame(() => setTimeout(() => took.push(performance.now() - at))); }).observe(document.getElementById('answer'), {childList: true})"""


def result(rng, n, task):
    "A made-up results.json of a student: thirty lines of code a question, twelve tests, some failed."
    def row(q):
        tests = [dict(id=f'{q.name}-{i}', visible=i % 2 == 0, passed=(ok := rng.random() < .8), points=float(ok), max_points=1., run=f'{q.name}([{i}, 2, 3])', got=str(list(range(rng.randrange(40)))), after='all cells',
                      **(dict(test=f'test_eq({q.name}([{i}, 2, 3]), {i})', expected=str(i), why='' if ok else 'not equal') if i % 2 == 0 else {})) for i in range(TESTS)]
        code = '\n'.join(f'    value_{rng.randrange(99)} = [x * {rng.randrange(9)} for x in xs if x]' for _ in range(30))
        return dict(points=sum(t['points'] for t in tests), max_points=float(TESTS), tests=tests, flags=['3 of 12 tests: ran out of time'] * (n % 4 == 0), answer=f'def {q.name}(xs):\n{code}', for_a_person=False)
    rows = {q.name: row(q) for q in task.questions}
    return dict(score=sum(r['points'] for r in rows.values()), extra_data=dict(assignment='task', student=f's{n:03}', sha256=f'{n:064x}', problem='', sandbox='bubblewrap', flags=[], questions=rows))


def room(folder, students):
    "A book with the points of a class."
    task, rng = New(name='task', title='Benchmark', questions=[New(name=n, kind='code', title=n.title(), points=float(TESTS), prompt='', solution='', items=[]) for n in NAMES]), random.Random(0)
    found = {f's{n:03}': result(rng, n, task) for n in range(students)}
    for name, r in found.items(): (folder/'graded'/name).mkdir(parents=True); (folder/'graded'/name/'results.json').write_text(json.dumps(r))
    (folder/'graded'/'summary.json').write_text(json.dumps(dict(assignment='task', results=[dict(submission=n, score=r['score']) for n, r in found.items()])))
    book = open_book(folder/'book', create=True)
    import_points(book, task, folder/'graded', list(found))
    return book


def measure(students, presses, pause):
    "Load the page five times, then decide with one key after another; prints both."
    with tempfile.TemporaryDirectory() as folder:
        book = room(Path(folder), students)
        desk, browser = Desk(book, 'Benchmark', ['ann'], code=CodePage()), Browser()
        waiting = sum(r['why'] == 'flagged' for r in code_rows(book))
        with serving(desk) as port:
            browser('open', 'ann'); browser('goto', 'ann', url=desk.links(port)['ann'])
            browser('wait', 'ann', js="location.search === '' && !!document.querySelector('h1')")
            loads = []
            for _ in range(5):
                start = time.perf_counter(); browser('goto', 'ann', url=f'http://127.0.0.1:{port}/code', ready=True); loads.append(time.perf_counter() - start)
            browser('js', 'ann', js=WATCH + '; 0')
            presses = min(presses, waiting)
            for i in range(presses): time.sleep(pause); browser('press', 'ann', keys=['l']); browser('wait', 'ann', js=f'took.length === {i + 1}')
            browser('wait', 'ann', js=f"document.getElementById('progress').textContent.startsWith('{presses} of ')")
            took = sorted(browser('js', 'ann', js='took'))
            server = sorted(browser('js', 'ann', js="performance.getEntriesByType('resource').filter(e => e.name.endsWith('/api/code')).map(e => e.responseEnd - e.startTime)"))
        browser.close()
        marks = book.rows("select count(*) n from mark where source = 'human'")[0]['n']; book.close()
    print(f'{students} students, {students*len(NAMES)} answers, {waiting} of them flagged, {pause:g} s of reading')
    print(f'the page is there after a median of {statistics.median(loads):.2f} s, worst of 5 {max(loads):.2f} s')
    print(f'key press to the next answer painted: median {statistics.median(took):.0f} ms, 95 % below {took[int(.95*len(took))]:.0f} ms, n = {len(took)} (aim: median below 100 ms); '
          f'stored after a median of {statistics.median(server):.0f} ms; {marks} marks saved')


def main(students=500, presses=100):
    if not installed(): sys.exit('playwright-core is missing: run `npm ci` in tests/browser')
    for pause in (.5, 0): measure(students, presses, pause)


if __name__ == '__main__': main(*map(int, sys.argv[1:]))
