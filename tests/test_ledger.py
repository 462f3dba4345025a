"What the ledger lesson cannot test: processes that write at once or die, a full disk, a slow import."
import errno, json, multiprocessing, os, subprocess, sys

import numpy as np
import pytest

from alpaca_course import ledger
from alpaca_course.ledger import (CLAIMS, ClaimResult, append_claim, append_line, claims_html, claims_markdown, dollars_per_kept, gpu_hours,
                                  projection, read_claims, training_flops, verdict)

GOOD = dict(id='parity', question='', estimate=0.5, low=0.4, high=0.6, n=100, seeds=1, verdict='not shown')


def test_last_line_of_an_experiment_wins_and_history_is_kept(tmp_path):
    path = tmp_path/'deep'/'claims.jsonl'
    for estimate in (0.45, 0.55): append_claim(path, **{**GOOD, 'estimate': estimate})
    append_claim(path, **{**GOOD, 'question': 'Another experiment under the same id?'})
    assert [r.estimate for r in read_claims(path)] == [0.55, 0.5]
    assert [r.estimate for r in read_claims(path, history=True)] == [0.45, 0.55, 0.5]


@pytest.mark.parametrize('change, message', [
    ({'id': 'popularity'}, 'unknown id'), ({'low': 0.51}, 'low <= estimate <= high'), ({'high': 0.49}, 'low <= estimate <= high'), ({'n': 0}, 'whole number from 1'),
    ({'n': 2.5}, 'whole number'), ({'estimate': float('nan')}, 'estimate must be a finite number'), ({'estimate': '0.5'}, 'finite number'), ({'low': None}, 'low must be'),
    ({'verdict': 'proved'}, 'supported, contradicted, not shown'), ({'seeds': []}, 'seeds must be'), ({'seeds': 'all'}, 'seeds must be'), ({'note': 3}, 'note must be text')])
def test_a_result_that_makes_no_sense_is_refused_and_leaves_no_trace(tmp_path, change, message):
    with pytest.raises(ValueError, match=message): append_claim(tmp_path/'claims.jsonl', **{**GOOD, **change})
    assert not (tmp_path/'claims.jsonl').exists()


def test_numbers_of_numpy_are_written_as_json(tmp_path):
    path = tmp_path/'claims.jsonl'
    append_claim(path, **{**GOOD, 'estimate': np.float32(0.5), 'n': np.int64(100), 'seeds': [np.int64(3)]})
    row = json.loads(path.read_text())
    assert (row['estimate'], row['n'], row['seeds']) == (0.5, 100, [3])
    assert read_claims(path)[0].seeds == (3,)


def write_some(path, name):
    for i in range(20): append_claim(path, **{**GOOD, 'question': f'{name} {i} ' + 'x'*3000})


def test_eight_processes_at_once_lose_no_line(tmp_path):
    path, start = tmp_path/'claims.jsonl', multiprocessing.get_context('spawn')
    workers = [start.Process(target=write_some, args=(path, name)) for name in range(8)]
    for w in workers: w.start()
    for w in workers: w.join(900)
    assert [w.exitcode for w in workers] == [0]*8
    assert len(read_claims(path)) == 160


def test_a_line_cut_short_is_named_and_harms_no_other(tmp_path):
    path = tmp_path/'claims.jsonl'
    append_claim(path, **GOOD)
    with open(path, 'a') as file: file.write('{"id": "par')
    append_claim(path, **{**GOOD, 'estimate': 0.55})
    with pytest.raises(ValueError, match=r'claims.jsonl, line 2: not a claim result .*delete that line'): read_claims(path)
    path.write_text(''.join(line for line in path.open() if line.endswith('}\n')))
    assert read_claims(path)[0].estimate == 0.55


class ShortDisk:
    "A file whose disk takes ten bytes of each write."
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *error): self.file.close()
    def __getattr__(self, name): return getattr(self.file, name)
    def write(self, data): return self.file.write(data[:10])


def test_a_disk_that_takes_part_of_a_line_leaves_the_book_as_it_was(tmp_path, monkeypatch):
    path = tmp_path/'claims.jsonl'
    append_claim(path, **GOOD); before = path.read_bytes()
    monkeypatch.setattr(ledger, 'open', lambda *a, **k: ShortDisk(open(*a, **k)), raising=False)
    with pytest.raises(OSError, match='free some space'): append_line(path, 'a line longer than ten bytes')
    assert path.read_bytes() == before


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs a device that is always full')
def test_a_full_disk_is_an_error_of_the_disk():
    with pytest.raises(OSError) as error: append_line('/dev/full', 'x')
    assert error.value.errno == errno.ENOSPC


def test_missing_ledger_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match='no ledger at .*append_claim writes it'): read_claims(tmp_path/'nowhere.jsonl')


def test_tables_survive_hostile_text():
    result = ClaimResult(**{**GOOD, 'note': 'a | b\n\n<script>alert("x")</script> `'})
    markdown, html = claims_markdown([result]), claims_html([result])
    assert len(markdown.splitlines()) == 3 and '<script>' not in markdown + html


@pytest.mark.parametrize('interval, direction, want', [
    ((0.1, 0.2), 'above', 'supported'), ((-0.2, -0.1), 'above', 'contradicted'), ((-0.1, 0.1), 'above', 'not shown'), ((0, 0.1), 'above', 'not shown'),
    ((0.1, 0.2), 'below', 'contradicted'), ((-0.2, -0.1), 'below', 'supported'), ((-0.1, 0), 'below', 'not shown')])
def test_verdict(interval, direction, want): assert verdict(interval, 0, direction) == want


def test_cost_model_gives_the_published_figures():
    for accept, dollars in [(0.5, 318), (0.65, 244), (0.8, 198)]: assert 52_000*dollars_per_kept(840, 16, 100, accept) == pytest.approx(dollars, abs=1)
    assert training_flops(6.74e9, 6.6e6, 3) == pytest.approx(8.0e17, rel=0.01)
    assert gpu_hours(8.0e17, 0.03) == pytest.approx(24, abs=0.5) and gpu_hours(8.0e17, 0.135) == pytest.approx(5.3, abs=0.1)
    data, flops, hours, dollars = projection(650, 1000, 840, 16, 100, 6.6e6/52_002)
    assert data.low < data.predicted < data.high < 500 and data.predicted == pytest.approx(244, abs=1)
    assert flops.low == flops.high and hours.low < hours.predicted < hours.high and dollars.high == pytest.approx(100, abs=2)


def test_every_claim_of_the_readings_is_asked_once(): assert len(CLAIMS) == len(set(CLAIMS.values())) == 22


def test_import_is_free_of_torch_and_matplotlib():
    code = "import sys, alpaca_course.ledger; print([m for m in ('torch', 'matplotlib', 'transformers', 'datasets') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'
