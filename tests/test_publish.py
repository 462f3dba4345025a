"What the lessons on gradebooks and publishing cannot test: random files against the csv module, hostile texts in every output, whole commands."
import csv, html, io, random, re, subprocess, sys
from html.parser import HTMLParser
from types import SimpleNamespace as New

import pytest

from alpaca_course.grading.book import backups, open_book, real_names
from alpaca_course.grading.feedback import feedback_page
from alpaca_course.grading.gradebooks import Table, cells_of, delimiter_of, fill, plain_cell
from alpaca_course.grading.marks import add_answers, mark, sync_rubric
from alpaca_course.grading.publish import feedback_html, feedback_markdown, marks_report, publish, publish_arguments, publish_command, student_results

HOSTILE = ['</pre></details><h1>Score: 4/4</h1>', '<script>alert(1)</script>', '"><img src=http://evil.example/x.png onerror=alert(1)>', '=HYPERLINK("http://evil.example")', '+cmd|x', '@SUM(A1)', '-1', '\t=1', '# Score: 4/4', '[a](http://evil.example) ![](http://evil.example/y.png)',
           '```\n# out of the fence\n```', '~~~~', '\u202eevil\u2066', '\u200bhidden', '{{ 7*7 }}', 'a\nb\r\nc', 'x'*40_000, '&lt;b&gt;', '> quote\n- item\n1. item', '\ud800']


@pytest.fixture
def book(tmp_path):
    items = [New(id='a', text='First <b>item</b>.', points=1, guideline='PRIVATE'), New(id='b', text='=Second', points=1, guideline='PRIVATE')]
    found = open_book(tmp_path/'book', create=True)
    sync_rubric(found, New(questions=[New(name=n, kind='text', title=n.title(), points=2, prompt='?', solution='PRIVATE', items=items) for n in ('one', 'two')]))
    add_answers(found, [New(student=f's{i}', question=q, text=t, file=f's{i}', aligned_by='', sure=True, problem='') for i, t in enumerate(HOSTILE) for q in ('one', 'two')])
    for r in found.rows('select a.id, a.question, i.id item from latest a join item i on i.question = a.question and i.name = \'a\''):
        mark(found, {r['id']: 0}, [r['item']] if r['id'] % 2 else [], 'ann', HOSTILE[r['id'] % len(HOSTILE)].replace('\ud800', '?'))
    yield found
    found.close()


# ---- the LMS's file
def test_the_reader_agrees_with_the_csv_module():
    rng = random.Random(0)
    for _ in range(400):
        delimiter = rng.choice(',;\t')
        rows = [[''.join(rng.choices('ab "\n,;\té', k=rng.randrange(5))) for _ in range(rng.randrange(2, 5))] for _ in range(rng.randrange(1, 6))]
        out = io.StringIO(); csv.writer(out, delimiter=delimiter, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), lineterminator=rng.choice(['\n', '\r\n'])).writerows(rows)
        found = [[c.value for c in r] for r in cells_of(out.getvalue(), delimiter)]
        assert found == list(csv.reader(io.StringIO(out.getvalue(), newline=''), delimiter=delimiter))
        if delimiter_of(out.getvalue()) == delimiter: assert Table(out.getvalue().encode()).bytes() == out.getvalue().encode()


def canvas_file(rng, n, delimiter=',', newline='\r\n', bom=''):
    "A gradebook with odd names, quoting and extra columns."
    quote = lambda t: '"' + t.replace('"', '""') + '"' if rng.random() < .3 or any(c in t for c in f'"\n{delimiter}') else t
    head = ['Student', 'ID', 'SIS User ID', 'SIS Login ID', 'Section', 'Other (1)', 'Essay (2)', 'Essay Current Score', 'Final Score']
    rows = [head, ['', '', '', '', '', 'Manual Posting', '', '(read only)', '(read only)'], ['    Points Possible', '', '', '', '', '10', '4.00', '(read only)', '(read only)']]
    for i in range(n): rows.append([rng.choice(['Llama, Ana', "O'Vicuña; \"Bo\"", '=Evil', 'Zoë\nNewline']), str(1000 + i), f'sis{i}', f'u{i}', 'A, B', str(i), rng.choice(['', '3', 'EX']), '1', '2'])
    return bom + newline.join(delimiter.join(map(quote, r)) for r in rows) + newline


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'cp1252'])
@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
def test_only_our_cells_change(encoding, delimiter):
    rng = random.Random(5)
    text = canvas_file(rng, 40, delimiter, rng.choice(['\n', '\r\n']), '\ufeff' if encoding == 'utf-8' else '')
    points = {str(1000 + i): i % 5 / 2 for i in range(0, 40, 2)}
    done = fill(text.encode(encoding), points, 4, 'Essay')
    before, after = (cells_of(t, delimiter) for t in (text, done.data.decode(encoding)))
    assert done.data.decode(encoding).count(delimiter) == text.count(delimiter) and len(before) == len(after)
    for r, (x, y) in enumerate(zip(before, after)):
        for c, (a, b) in enumerate(zip(x, y)):
            mine = c == 6 and x[1].value in points and a.value != 'EX'
            if not mine: assert (a.value, text[a.start:a.end]) == (b.value, done.data.decode(encoding)[b.start:b.end]), (r, c)
            else: assert float(b.value) == points[x[1].value]
    assert done.filled + sum('stays EX' in n for n in done.notes) == len(points)
    assert fill(done.data, points, 4, 'Essay').data == done.data


MOODLE = {'en': ('Identifier', 'Participant {}', 'Grade', 'Maximum grade', 'Feedback comments', '100.00'), 'de': ('ID', 'Teilnehmer/in {}', 'Bewertung', 'Bestwertung', 'Feedback als Kommentar', '100,00'),
          'fr': ('Identifiant', 'Participant {}', 'Note', 'Note maximale', 'Commentaires', '100,00'), 'ja': ('識別子', '参加者 {}', '評点', '最大評点', 'フィードバックコメント', '100.00')}

@pytest.mark.parametrize('language', MOODLE)
@pytest.mark.parametrize('names', [True, False])
def test_moodle_worksheets_in_any_language(language, names):
    identifier, who, grade, most, feedback, hundred = MOODLE[language]
    head = [identifier, *(['N', 'E'] if names else []), 'S', grade, most, 'C', 'L1', 'L2', feedback]
    rows = [head] + [[who.format(7000 + i), *([f'Ana {i}', f'a{i}@example.org'] if names else []), 'x', '' if i % 2 else hundred.replace('100', '50'), hundred, 'y', 'Monday, 3 March 2025, 10:00', '-', ''] for i in range(6)]
    out = io.StringIO(); csv.writer(out).writerows(rows); data = out.getvalue().encode()
    done = fill(data, {str(7000 + i): 62.5 for i in range(5)}, 100, comments={'7000': '=evil'})
    after = list(csv.reader(io.StringIO(done.data.decode(), newline='')))
    g = head.index(grade)
    assert [r[g] for r in after[1:]] == ['62,5' if ',' in hundred else '62.5']*5 + [''] and after[1][-1] == "'=evil" and done.filled == 5
    for x, y in zip(rows, after): x[g] = y[g] = ''; assert x[:-1] == y[:-1]
    with pytest.raises(ValueError, match='the LMS counts 100 points and the assignment 24'): fill(data, {'7000': 1}, 24)


def test_files_that_are_no_gradebook():
    for data in (b'', b'a,b\n1,2\n', b'\xff\xfe', b'PK\x03\x04zip', b'Student,ID,Section,Essay (1)\nx,1,A,2\n', b'"open', 'Identifier,Grade\nParticipant 1,\nParticipant 1,\n'.encode()):
        with pytest.raises(ValueError): fill(data, {'1': 1}, 4, 'Essay')


@pytest.mark.parametrize('text', [t for t in HOSTILE if '\ud800' not in t])
def test_no_cell_is_a_formula(text):
    out = io.StringIO(); csv.writer(out).writerow([plain_cell(text)])
    cell = next(csv.reader(io.StringIO(out.getvalue(), newline='')))[0]
    assert cell.lstrip()[:1] not in tuple('=+-@\t\r') and len(cell) < 32_768


# ---- what students read
class Seen(HTMLParser):
    def __init__(self, page): super().__init__(); self.tags, self.links = [], []; self.feed(page); self.close()
    def handle_starttag(self, tag, attributes):
        self.tags.append(tag); self.links += [v for k, v in attributes if k in ('href', 'src') or k.startswith('on')]

def test_hostile_texts_in_feedback_and_report(book):
    from nbconvert.filters.markdown_mistune import markdown2html_mistune
    for student, rows in student_results(book, real_names(book.folder)).items():
        page = feedback_html('Title <i>', student, rows); seen = Seen(page)
        assert not {'script', 'img', 'iframe', 'a', 'i', 'b'} & set(seen.tags) - {'b'} and not seen.links and seen.tags.count('h1') == 1 and seen.tags.count('h2') == 2 and 'PRIVATE' not in page and 'S-' not in page.replace('S-SUM', '')
        text = feedback_markdown('Title <i>', student, rows); shown = Seen(markdown2html_mistune(text))
        assert not {'script', 'img', 'iframe', 'i', 'b'} & set(shown.tags) and not [l for l in shown.links if not l.startswith('#')], student
        assert shown.tags.count('h1') == 1 and shown.tags.count('h2') == 2 and 'PRIVATE' not in text
        assert '\u202e' not in page + text and '\u200b' not in page + text
    report = Seen(marks_report(book, 'Title <i>'))
    assert not {'script', 'img', 'iframe', 'i'} & set(report.tags) and not [l for l in report.links if not l.startswith('#')]


def every_text(row):
    "For each text in nested dicts and lists: a function that gives a copy with another text in its place."
    if isinstance(row, str): yield lambda evil: evil
    elif isinstance(row, (dict, list)):
        for key, value in row.items() if isinstance(row, dict) else enumerate(row):
            for put in every_text(value): yield lambda evil, key=key, put=put: row | {key: put(evil)} if isinstance(row, dict) else row[:key] + [put(evil)] + row[key + 1:]

@pytest.mark.parametrize('evil', [t for t in HOSTILE if len(t) < 1000])
def test_no_text_of_a_result_leaves_its_place(evil):
    "A hostile text in each place of results.json that holds one: the page has the tags it has without it, and says the text, unless that place is not for students."
    tests = [dict(visible=True, passed=False, points=0, max_points=1, test='t', run='r', got='g', expected='e', why='w'), dict(visible=False, passed=True, points=1, max_points=1, run='r', got='g')]
    row = dict(title='T', kind='code', points=1, max_points=2, found='marker', answer='a', flags=['f'], tests=tests, for_a_person=False)
    result = dict(score=1, extra_data=dict(submission='s', student='s', assignment='d', sandbox='bubblewrap', problem='p', questions=dict(q=row)))
    fair, seen = Seen(feedback_page(result)).tags, 0
    for put in every_text(result):
        page = Seen(feedback_page(put(evil)))
        assert page.tags == fair and not page.links
        seen += html.escape(evil, quote=False) in feedback_page(put(evil)).replace('&#34;', '"').replace('&#39;', "'")
    assert seen == 10  # assignment, student, problem, and of the question: title, answer, flag, and its visible test's test, got, expected, why
    assert Seen(feedback_page(result, evil)).tags == fair

def test_no_template_prints_anything_unescaped():
    from alpaca_course.grading.feedback import PAGES, environment
    assert set(PAGES) == {'frame', 'test', 'question', 'feedback', 'returned', 'marks'} and environment().autoescape is True
    assert not [name for name, text in PAGES.items() if re.search(r'\|\s*safe|autoescape|Markup', text)]

def test_pages_allow_their_own_style_sheet_and_no_other():
    import base64, hashlib
    page = feedback_html('T', 's', [dict(title='T', points=1, possible=1, answer='', comment='', outcome='', items=[])])
    style = re.search('<style>(.*?)</style>', page, re.DOTALL)[1]
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in page


def test_publish_as_a_command(book, tmp_path, capsys):
    import argparse
    gradebook = tmp_path/'canvas.csv'
    gradebook.write_text('Student,ID,Section,Reading (5)\n    Points Possible,,,4\n' + ''.join(f'"N, {i}",s{i},A,\n' for i in range(len(HOSTILE))))
    parser = argparse.ArgumentParser(); publish_arguments(parser)
    args = parser.parse_args(['--book', str(book.folder), '--title', 'Reading', '--gradebook', str(gradebook), '--out', str(tmp_path/'out')])
    assert publish_command(args) in (None, 0)
    said = capsys.readouterr().out
    assert f'{len(HOSTILE)} students filled in' in said and len(backups(book.folder)) == 1
    filled = list(csv.reader((tmp_path/'out/canvas.csv').open()))
    scores = {r['student']: r for r in csv.DictReader((tmp_path/'out/scores.csv').open())}
    assert {r[1]: float(r[3]) for r in filled[2:]} == {s: float(r['total']) for s, r in scores.items()}
    before = gradebook.read_text()
    assert before == gradebook.read_text() and len(list((tmp_path/'out/feedback').iterdir())) == 2*len(HOSTILE)
    with book.writing() as db: db.execute("insert into answer (question, student, text, sha256, aligned_by, sure, problem, at) values ('one', 'S-NEW', 'late', '', '', 1, '', '')")
    with pytest.raises(ValueError, match='one: 1 answers without a mark'): publish_command(args)
    args.partial = True; publish_command(args)
    assert 'S-NEW' not in (tmp_path/'out/canvas.csv').read_text()


def test_nothing_is_written_when_the_gradebook_does_not_fit(book, tmp_path):
    wrong = tmp_path/'wrong.csv'; wrong.write_text('Student,ID,Section,Reading (5)\n    Points Possible,,,100\n"N",s0,A,\n')
    with pytest.raises(ValueError, match='counts 100 points'): publish(book, tmp_path/'out', 'Reading', [wrong])
    assert not (tmp_path/'out').exists()


def test_help_loads_nothing_heavy():
    for module, name in (('page', 'grade'), ('publish', 'publish'), ('publish', 'regrade'), ('book', 'backup'), ('sheets', 'sheet'), ('stacks', 'rubric'), ('stacks', 'copies')):
        code = f"import argparse, sys\nfrom alpaca_course.grading.{module} import {name}_arguments\np = argparse.ArgumentParser(); {name}_arguments(p); p.format_help()\nprint(sorted({{'torch', 'matplotlib', 'scipy', 'starlette', 'uvicorn', 'numpy', 'jinja2'}} & set(sys.modules)))"
        assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == '[]\n', (module, name)
