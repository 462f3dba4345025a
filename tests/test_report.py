"What the report lesson cannot test: hostile files, a browser's view of the page, bytes that must not change, a crash while writing."
import copy, json, os, subprocess, sys
from html.parser import HTMLParser

import pytest

from alpaca_course.report import report_html, report_picture, visible, write_report
from alpaca_course.results import EXAMPLE, ResultsError, read_results, validate_results

VOID = {'meta', 'link', 'br', 'img', 'hr', 'input', 'use'}
OURS = set('html head meta title link style body header h1 h2 h3 h4 p strong em code nav a main section figure figcaption div table tr th td details summary article small span pre'.split())
DRAWN = set('svg g path defs use clippath rect text tspan style pattern'.split())


def changed(path, value):
    results = copy.deepcopy(EXAMPLE); part = results
    for key in path[:-1]: part = part[key]
    part[path[-1]] = value
    return results


class Page(HTMLParser):
    "Collects tags, attributes and text; asserts that every element is closed in order."
    def __init__(self, html):
        super().__init__(); self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(html); self.close()
        assert self.open == []
    def handle_starttag(self, tag, attributes):
        self.tags.append(tag); self.attributes += [(tag, k, v) for k, v in attributes]
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes): self.tags.append(tag); self.attributes += [(tag, k, v) for k, v in attributes]
    def handle_endtag(self, tag):
        if tag not in VOID: assert self.open.pop() == tag, tag
    def handle_data(self, data): self.text.append(data)


def assert_harmless(html):
    page = Page(html)
    assert set(page.tags) <= OURS | DRAWN, set(page.tags) - OURS - DRAWN
    for tag, key, value in page.attributes:
        assert not key.startswith('on'), (tag, key)
        if key in ('href', 'src', 'xlink:href'): assert value.startswith('#') or value == 'data:,', (tag, key, value)
    assert 'url(' not in html.replace('url(#', '') and '@import' not in html
    return page


def test_the_page_is_self_contained_and_described():
    html = report_html(EXAMPLE); page = assert_harmless(html)
    assert "default-src 'none'" in html and 'prefers-color-scheme:dark' in html and '@media print' in html and 'width=device-width' in html
    assert page.tags.count('svg') == 7
    labels = [value for tag, key, value in page.attributes if tag == 'svg' and key == 'aria-label']
    assert len(labels) == 7 and all(len(label) > 20 for label in labels)
    names = [value for _, key, value in page.attributes if key == 'id']
    assert len(names) == len(set(names))
    targets = [value[1:] for tag, key, value in page.attributes if tag == 'a']
    assert len(targets) == 10 and set(targets) <= set(names)


def test_every_stage_of_the_run_is_on_the_page():
    html = report_html(EXAMPLE)
    for wanted in ('0.02 (0.01 to 0.05, n = 200)', '0.62 (0.55 to 0.69, n = 200)', 'scripted teacher', '0.67 (0.63 to 0.70, n = 600)', '4 of 5 families', 'p = 0.245', '0.24 (0.17 to 0.33, n = 120)',
                   '✓ right', '✗ wrong', 'model, not measurement', '52,002', 'under 500', 'accuracy gained', 'Not measured in this run', 'make course', '0123456789ab', 'Made-up numbers'):
        assert wanted in html, wanted


HOSTILE = ['</pre><script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", '{{ 7*7 }}{% for x in y %}', '<!--', ']]></style></svg>', '&lt;b&gt;', '$\\frac{', '\ud800', '\x00\x1b[31m', '\u202eevil\u2066']


def text_places(value, path=()):
    if isinstance(value, str): yield path
    elif isinstance(value, dict):
        for key in value: yield from text_places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, v in enumerate(value): yield from text_places(v, (*path, i))


@pytest.mark.parametrize('text', HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.filterwarnings('ignore:Glyph')
def test_hostile_text_in_every_place_stays_text(text):
    results = copy.deepcopy(EXAMPLE)
    for path in text_places(EXAMPLE):
        if path[0] == 'claims' and path[-1] in ('id', 'verdict'): continue
        part = results
        for key in path[:-1]: part = part[key]
        part[path[-1]] = text
    results['bases'] = {text: results['bases']['few']}
    results['diversity']['families'] = {text: 3}
    results['bases'][text]['families'] = {text: EXAMPLE['bases']['few']['families']['fact']}
    results['meta']['versions'] = {text: text}
    html = report_html(results)
    assert_harmless(html); html.encode('utf-8')
    for c in '\u202e\u2066\x00\x1b': assert c not in html
    if text.startswith('{{'): assert '{{ 7*7 }}{% for x in y %}' in html  # never run as a template


def test_a_very_long_answer_is_cut_with_a_note():
    html = report_html(changed(('samples', 0, 'tuned'), 'long ' * 20_000))
    assert '[cut: 1,500 of 100,000 characters shown]' in html
    assert len(html) < len(report_html(EXAMPLE)) + 3000


def test_same_results_same_bytes_in_another_process(tmp_path):
    (tmp_path/'results.json').write_text(json.dumps(EXAMPLE))
    code = "import sys; from alpaca_course.report import write_report, report_picture; write_report(sys.argv[1], sys.argv[2]); report_picture(sys.argv[1], sys.argv[2] + '/p.png')"
    for name, seed in (('a', '1'), ('b', '2')):
        subprocess.run([sys.executable, '-c', code, tmp_path/'results.json', tmp_path/name], check=True, env={**os.environ, 'PYTHONHASHSEED': seed})
    for file in ('report.html', 'p.png'): assert (tmp_path/'a'/file).read_bytes() == (tmp_path/'b'/file).read_bytes()
    assert (tmp_path/'a'/'report.html').read_text() == report_html(EXAMPLE)


@pytest.mark.parametrize('path, value, message', [
    (('meta',), None, 'results.meta: expected an object'), (('bases',), {}, 'at least one'), (('bases', 'few', 'tuned'), 0.62, 'tuned: expected an object'),
    (('bases', 'few', 'tuned', 'estimate'), float('nan'), 'expected share'), (('bases', 'few', 'tuned', 'n'), 0, 'expected count from 1'), (('bases', 'few', 'tuned', 'low'), 0.7, 'low <= estimate <= high'),
    (('bases', 'few', 'losses'), [], 'expected one for each of 3 seeds'), (('bases', 'few', 'families', 'fact', 'tuned', 'k'), [51, 1, 1], 'more right answers than questions'),
    (('waterfall',), [], 'waterfall'), (('waterfall', 4), ['kept', 0], 'end above 0'), (('waterfall', 1), ['well formed', 601], 'must never rise'), (('pairwise', 0, 'ties'), 1, 'add up to n = 120'),
    (('claims', 0, 'id'), 'popularity', 'unknown id'), (('samples', 0, 'tuned_ok'), 'yes', 'expected flag'), (('compute', 0, 'low'), 9.5, 'low <= measured <= high')])
def test_results_that_cannot_be_are_refused_by_name(path, value, message):
    with pytest.raises(ResultsError, match=message): validate_results(changed(path, value))


def test_files_that_cannot_be_read_are_named(tmp_path):
    file = tmp_path/'results.json'
    for content in (b'', b'{"meta": ', b'\xff\xfe\x00'):
        file.write_bytes(content)
        with pytest.raises(ResultsError, match='results.json: not readable as JSON'): read_results(file)
    file.write_text('[]')
    with pytest.raises(ResultsError, match='results.json: .*expected an object'): read_results(file)
    with pytest.raises(FileNotFoundError): read_results(tmp_path/'none.json')


def test_a_crash_while_writing_keeps_the_old_page(tmp_path, monkeypatch):
    write_report(EXAMPLE, tmp_path); before = (tmp_path/'report.html').read_bytes()
    monkeypatch.setattr(os, 'replace', lambda *a: (_ for _ in ()).throw(OSError(28, 'No space left on device')))
    with pytest.raises(OSError, match='No space'): write_report(changed(('meta', 'quick'), True), tmp_path)
    assert os.listdir(tmp_path) == ['report.html'] and (tmp_path/'report.html').read_bytes() == before


def test_picture_is_a_png_of_readable_size(tmp_path):
    png = report_picture(EXAMPLE, tmp_path/'new'/'picture.png').read_bytes()
    assert png[:8] == b'\x89PNG\r\n\x1a\n' and int.from_bytes(png[16:20], 'big') == 1100 and len(png) < 200_000


def test_the_readers_matplotlib_settings_do_not_matter():
    import matplotlib
    with matplotlib.rc_context({'font.size': 30, 'axes.facecolor': 'red', 'text.usetex': False}): assert report_html(EXAMPLE) == report_html(EXAMPLE)
    plain = report_html(EXAMPLE)
    with matplotlib.rc_context({'font.size': 30, 'axes.facecolor': 'red'}): assert report_html(EXAMPLE) == plain


def test_import_is_free_of_torch_and_matplotlib():
    code = "import sys, alpaca_course.report; print([m for m in ('torch', 'matplotlib', 'transformers', 'datasets') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'
