"""Labels that survive, spreadsheets as Excel returns them, widgets driven by code, and the figures against statsmodels and brute force."""
import csv, io, json, random, subprocess, sys

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.inter_rater import cohens_kappa, to_table
from statsmodels.stats.proportion import proportion_confint

from alpaca_course import audit as a
from alpaca_course.audit import QUESTIONS, LabelForm, Labels, draw_sample, import_sheet, read_sheet, records_needed, sequential_interval, write_sheet
from alpaca_course.records import Record, write_records
from alpaca_course.statistics import wilson

NASTY = ['=1+1', '+49 30', '-5 degrees', '@home', '\t=2', '  =3', 'a;b,c\td', 'two\nlines', 'quote " and ""', '你好 Größe', "'=1", '<script>alert(1)</script>', '\ufeff=4', '＝5', 'x' * 40_000, '|calc', 'NULL', 'TRUE', '1e10']

@pytest.fixture
def sample(tmp_path):
    write_records([Record(f'{text} {i}' if i % 2 else text, text, f'{i}') for i, text in enumerate(NASTY * 2)], tmp_path / 'data.jsonl')
    return draw_sample(tmp_path / 'data.jsonl', 30, seed=1)

def sheet(path, delimiter=','):
    with open(path, encoding='utf-8-sig', newline='') as f: return list(csv.DictReader(f, delimiter=delimiter))

def fill(rows, rng): return [{**row, 'valid': rng.choice(['yes', 'YES', ' y', '1']), 'input_fits': rng.choice(['no', 'N', '0', 'FALSE']), 'output_right': rng.choice(['true', 'False'])} for row in rows]

def save(rows, path, delimiter=',', encoding='utf-8', end='\r\n', columns=None, before=''):
    out = io.StringIO(newline='')
    writer = csv.DictWriter(out, columns or list(rows[0]), delimiter=delimiter, lineterminator=end, extrasaction='ignore')
    writer.writeheader(); writer.writerows(rows)
    path.write_bytes((before + out.getvalue()).encode(encoding, errors='replace'))


# ---- samples
def test_samples_are_even_over_the_file(tmp_path):
    write_records([Record(str(i)) for i in range(20)], tmp_path / 'd.jsonl')
    counts = np.zeros(20)
    for seed in range(600):
        for p in draw_sample(tmp_path / 'd.jsonl', 5, seed).positions: counts[p] += 1
    assert abs(counts - 150).max() < 5 * (600 * .25 * .75)**.5

def test_another_byte_is_another_sample(tmp_path, sample):
    with open(tmp_path / 'data.jsonl', 'a') as f: f.write('\n')
    assert draw_sample(tmp_path / 'data.jsonl', 30, seed=1).id != sample.id

def test_samples_are_saved_whole(tmp_path, sample):
    a.save_sample(sample, tmp_path / 's.json')
    assert a.load_sample(tmp_path / 's.json') == sample and a.load_sample(tmp_path / 's.json').keys == sample.keys
    for bad in ('', '[]', '{}', '{"file": 1}', 'null'):
        (tmp_path / 'bad.json').write_text(bad)
        with pytest.raises(ValueError, match='not a sample'): a.load_sample(tmp_path / 'bad.json')


# ---- labels
def test_a_killed_labeller_loses_nothing(tmp_path, sample):
    a.save_sample(sample, tmp_path / 's.json')
    code = ('import os, sys; from alpaca_course.audit import *; labels = Labels(load_sample(sys.argv[1]), "ann", sys.argv[2])\n'
            'for n, i in enumerate(labels.order[:7]):\n    for q in QUESTIONS: labels.set(i, q, n % 2 == 0)\nos.kill(os.getpid(), 9)')
    assert subprocess.run([sys.executable, '-c', code, tmp_path / 's.json', tmp_path]).returncode == -9
    labels = Labels(sample, 'ann', tmp_path)
    assert len(labels.answers) == 21 and labels.open() == labels.order[7:]

@pytest.mark.parametrize('cut', [1, 5, 40, 80])
def test_a_torn_line_costs_one_answer_at_most(tmp_path, sample, cut):
    labels = Labels(sample, 'ann', tmp_path)
    for i in labels.order[:4]: labels.set(i, 'valid', True)
    labels.path.write_bytes(labels.path.read_bytes()[:-cut])
    again = Labels(sample, 'ann', tmp_path)
    assert len(again.answers) == 3
    again.set(again.order[5], 'valid', False)
    assert len(Labels(sample, 'ann', tmp_path).answers) == 4

@pytest.mark.parametrize('line', ['null', '{}', '[1]', '{"sample": "x", "key": "k", "question": "valid", "answer": true}'])
def test_a_damaged_line_is_named(tmp_path, sample, line):
    (tmp_path / 'labels-ann.jsonl').write_text(line + '\n')
    with pytest.raises(ValueError, match='labels-ann.jsonl, line 1'): Labels(sample, 'ann', tmp_path)

def test_answers_outside_the_sample_are_refused(tmp_path, sample):
    for key, question, answer in [('k0', 'valid', True), (sample.keys[0], 'beauty', True), (sample.keys[0], 'valid', 1)]:
        (tmp_path / 'labels-ann.jsonl').write_text(json.dumps(dict(sample=sample.id, key=key, question=question, answer=answer)) + '\n')
        with pytest.raises(ValueError, match='no such record'): Labels(sample, 'ann', tmp_path)

def test_labellers_do_not_see_each_other(tmp_path, sample):
    ann, ben = Labels(sample, 'ann', tmp_path), Labels(sample, 'ben', tmp_path)
    ann.set(0, 'valid', False)
    assert Labels(sample, 'ben', tmp_path).answers == {} and sorted(ann.order) == sorted(ben.order) != ben.order
    with pytest.raises(ValueError, match='answered every record'): a.disputed(ann, ben)


# ---- widgets
def test_form_is_driven_to_the_end_with_an_interruption(tmp_path, sample):
    form = LabelForm(Labels(sample, 'ann', tmp_path))
    for _ in range(12):
        for button in form.buttons.values(): button.value = True
        form.next.click()
    form.buttons['valid'].value = False  # then the browser dies
    form = LabelForm(Labels(sample, 'ann', tmp_path))
    assert form.at == 12 and [b.value for b in form.buttons.values()] == [False, None, None]
    for _ in range(18):
        for button in form.buttons.values(): button.value = True
        form.next.click()
    assert form.labels.open() == [] and '0 still open' in form.progress.value
    assert a.audit_table(Labels(sample, 'ann', tmp_path))['valid'] == wilson(30, 30)

def test_looking_stores_nothing_and_a_changed_mind_counts(tmp_path, sample):
    form = LabelForm(Labels(sample, 'ann', tmp_path))
    form.buttons['valid'].value = True
    form.buttons['valid'].value = False
    size = form.labels.path.stat().st_size
    for _ in range(40): form.next.click()
    assert form.at == 29
    for _ in range(40): form.back.click()
    assert form.at == 0 and form.buttons['valid'].value is False and form.labels.path.stat().st_size == size
    assert Labels(sample, 'ann', tmp_path).get(form.i)['valid'] is False

def test_records_run_no_code_in_the_form():
    for text in NASTY: assert '<script' not in a.record_html(Record(text, text, text, 'who wrote it')) and 'who wrote' not in a.record_html(Record(text))


# ---- sheets
def test_no_cell_of_a_sheet_is_a_formula(tmp_path, sample):
    write_sheet(Labels(sample, 'ann', tmp_path), tmp_path / 's.csv')
    rows = sheet(tmp_path / 's.csv')
    assert len(rows) == 30
    for row in rows:
        for name in ('instruction', 'input', 'output'):
            cell = row[name]
            assert cell.lstrip('\ufeff \t\r\n')[:1] not in tuple('=+-@＝|') or not cell.strip(), cell[:30]
            assert len(cell) < 32_767

@pytest.mark.parametrize('way', [dict(), dict(delimiter=';'), dict(delimiter='\t', encoding='utf-16'), dict(encoding='utf-8-sig', delimiter=';'), dict(encoding='cp1252', delimiter=';'), dict(end='\n'), dict(before='sep=;\r\n', delimiter=';'),
                                 dict(columns=['output_right', 'valid', 'key', 'input_fits']), dict(encoding='utf-16', before='sep=\t\r\n', delimiter='\t')])
def test_sheets_come_back_through_dialects_of_excel(tmp_path, sample, way):
    labels = Labels(sample, 'ann', tmp_path)
    write_sheet(labels, tmp_path / 's.csv')
    rows = fill(sheet(tmp_path / 's.csv'), random.Random(0))
    random.Random(1).shuffle(rows)
    save(rows + [dict.fromkeys(rows[0], '')] * 3, tmp_path / 'back.csv', **way)
    assert import_sheet(labels, tmp_path / 'back.csv') == 90
    want = {(row['key'], q): a.ANSWERS[row[q].strip().lower()] for row in rows for q in QUESTIONS}
    assert Labels(sample, 'ann', tmp_path).answers == want and import_sheet(labels, tmp_path / 'back.csv') == 0

@pytest.mark.parametrize('spoil, says', [
    (lambda rows: rows[3].update(valid='maybe'), "row 5, column valid: 'maybe' is neither yes nor no"), (lambda rows: rows[0].update(output_right=''), 'row 2, column output_right: empty'),
    (lambda rows: rows.pop(), 'no row with the key k'), (lambda rows: rows.append(dict(rows[0])), 'row 32: the key'), (lambda rows: rows[1].update(key='k00'), "row 3: the key 'k00' is not in this sample"),
    (lambda rows: rows[2].update(key=''), "row 4: the key ''"), (lambda rows: rows[7].update(valid='=1'), "row 9, column valid: '=1'"), (lambda rows: [r.update(valid='x') for r in rows], '22 more')])
def test_bad_sheets_name_the_row_and_change_nothing(tmp_path, sample, spoil, says):
    labels = Labels(sample, 'ann', tmp_path)
    write_sheet(labels, tmp_path / 's.csv')
    rows = fill(sheet(tmp_path / 's.csv'), random.Random(0))
    spoil(rows)
    save(rows, tmp_path / 'back.csv')
    with pytest.raises(ValueError) as error: import_sheet(labels, tmp_path / 'back.csv')
    assert says in str(error.value) and '\n' not in str(error.value) and not labels.path.exists()

@pytest.mark.parametrize('data', [b'', b'\xff\xfe', b'\n\n', b'key', b'key,valid,valid,input_fits,output_right\n', b'\0' * 50, bytes(range(256)), b'key;valid,input_fits,output_right\n', b'"' + b'x' * 200_000, b'valid,input_fits,output_right,key\nyes\n'])
def test_hostile_sheets_give_one_sentence(tmp_path, sample, data):
    (tmp_path / 'back.csv').write_bytes(data)
    with pytest.raises(ValueError, match='back.csv'): read_sheet(tmp_path / 'back.csv', sample)


# ---- figures
def test_agreement_is_that_of_statsmodels(tmp_path, sample):
    for seed in range(5):
        rng, (x, y) = random.Random(seed), (Labels(sample, f'x{seed}', tmp_path), Labels(sample, f'y{seed}', tmp_path))
        truth = {(i, q): rng.random() < .6 for i in range(30) for q in QUESTIONS}
        for labels in (x, y): labels.answers = {(sample.keys[i], q): t != (rng.random() < .2) for (i, q), t in truth.items()}
        for q, (share, k) in a.agreement(x, y).items():
            pairs = np.array([[x.get(i)[q], y.get(i)[q]] for i in range(30)]).astype(int)
            assert k == pytest.approx(cohens_kappa(to_table(pairs, bins=2)[0]).kappa)
            assert share[1:3] == pytest.approx(proportion_confint((pairs[:, 0] == pairs[:, 1]).sum(), 30, method='wilson'))
        assert [i for i, _ in a.disputed(x, y)] == [i for i in range(30) if x.get(i) != y.get(i)]
        table = a.audit_table(x)
        assert table['all'].estimate <= min(table[q].estimate for q in QUESTIONS)

@pytest.mark.parametrize('share, bound, power', [(.9, .85, .8), (.95, .9, .5), (.6, .5, .9), (.99, .8, .8), (.3, .1, .95)])
def test_size_needed_is_the_smallest_from_which_all_are_enough(share, bound, power):
    need = records_needed(share, bound, power)
    def reached(n):
        k = next((k for k in range(n + 1) if proportion_confint(k, n, method='wilson')[0] > bound), n + 1)
        return binom.sf(k - 1, n, share)
    assert reached(need - 1) < power
    assert all(reached(n) >= power for n in range(need, need + 12))

def test_sequential_interval_holds_at_all_times():
    for share in (.5, .85, .97):
        draws, broken = np.random.default_rng(1).random((200, 200)) < share, 0
        for row in draws:
            sums = np.cumsum(row)
            broken += any(a.against(share, int(k), n) > np.log(20) for n, k in enumerate(sums, 1))
        assert wilson(broken, 200).low <= .05
        interval = sequential_interval(int(draws[0].sum()), 200)
        assert a.against(interval.low, int(draws[0].sum()), 200) == pytest.approx(np.log(20), abs=1e-6)

def test_claim_covers_the_truth_and_can_fail():
    result = a.claim_audit(repeats=400, records=800, n=100)
    assert (result.id, result.n, result.seeds) == ('audit', 400, (0,)) and result.low <= result.estimate <= result.high and result.estimate > .92
    assert a.make_data(300, .1)[1].count(False) == 30
    with pytest.raises(ValueError, match='200 audits'): a.claim_audit(repeats=199)
