"The grading page in the real browser: 500 answers of a question on the page, a key press to the next answer. Without and with suggestions (their helper program works meanwhile). `python benchmarks/page.py` (chromium, node, `npm ci` in tests/browser)."
import random, statistics, sys, tempfile, time
from pathlib import Path
from types import SimpleNamespace as New

sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tests/browser'))
from alpaca_course.grading.marks import add_answers, open_book, sync_rubric
from alpaca_course.grading.page import Desk, serving
from alpaca_course.grading.reread import Suggestions
from driver import Browser, installed

WATCH = """window.took = []; document.addEventListener('keydown', e => { if (e.key === 'Enter') requestAnimationFrame(() => setTimeout(() => took.push(performance.now() - e.timeStamp))); }, true)"""


def room(folder, n):
    "A book with `n` paragraphs of 20 to 150 words, a tenth of them short and often alike."
    items = [New(id=f'i{i}', text=f'Says the {i}th thing that the question asks for.', points=1, guideline='accept other words for it') for i in range(5)]
    book = open_book(folder, create=True)
    sync_rubric(book, New(questions=[New(name='data', kind='text', title='Data', points=4, prompt='Name two. '*20, solution='These. '*30, items=items)]))
    rng, words = random.Random(0), [f'word{i}' for i in range(2000)]
    text = lambda i: rng.choice(['', 'People wrote them.', 'people wrote them', 'The model did.']) if i % 10 == 0 else ' '.join(rng.choices(words, k=rng.randrange(20, 150)))
    add_answers(book, [New(student=f's{i}', question='data', text=text(i), file='x', aligned_by='', sure=True, problem='') for i in range(n)])
    return book


def measure(n, presses, suggest):
    "Load the page five times, then mark with keys, with `suggest` while its helper program reads and learns; prints both."
    with tempfile.TemporaryDirectory() as folder:
        book = room(Path(folder), n)
        lanes = Suggestions(book) if suggest else None
        desk, browser = Desk(book, 'Benchmark', ['ann'], lanes), Browser()
        with serving(desk) as port:
            browser('open', 'ann'); browser('goto', 'ann', url=desk.links(port)['ann'])
            browser('wait', 'ann', js="location.search === '' && !!document.querySelector('h1')")
            if suggest: lanes.touch('data')
            loads, address = [], f'http://127.0.0.1:{port}/q/data'
            for _ in range(5):
                start = time.perf_counter(); browser('goto', 'ann', url=address, ready=True); loads.append(time.perf_counter() - start)
            browser('js', 'ann', js=WATCH + '; 0')
            start = time.perf_counter()
            for i in range(presses): browser('press', 'ann', keys=[str(1 + i % 5), 'Enter'])
            browser('wait', 'ann', js=f'took.length === {presses}')
            lasted, took = time.perf_counter() - start, browser('js', 'ann', js='took')
            browser('wait', 'ann', js="document.getElementById('saving').textContent === 'all saved'")
            if suggest:
                start = time.perf_counter(); found = lanes.ready(book, 'data', 120); waited = time.perf_counter() - start
        browser.close()
        if suggest: lanes.stop()
        marks = book.rows('select count(*) n from mark')[0]['n']; book.close()
    took.sort()
    print(f"{'with' if suggest else 'without'} suggestions")
    print(f'{n} answers on the page: median {statistics.median(loads):.2f} s, worst of 5 {max(loads):.2f} s (from asking for the page to the first answer shown; aim: 1 s)')
    print(f'key press to the next answer painted: median {statistics.median(took):.0f} ms, 95 % below {took[int(.95*len(took))]:.0f} ms, n = {len(took)} in {lasted:.0f} s (aim: median below 100 ms); {marks} marks saved')
    if suggest: print(f'suggestions rest on {found.marks} marks, {waited:.1f} s after the last one')


def main(n=500, presses=100):
    if not installed(): sys.exit('playwright-core is missing: run `npm ci` in tests/browser')
    for suggest in (False, True): measure(n, presses, suggest)


if __name__ == '__main__': main(*map(int, sys.argv[1:]))
