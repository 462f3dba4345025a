"""The scan against brute force, hostile files, planted leaks with known truth, and files in every shape that others write."""
import json, random

import pytest

from alpaca_course import contamination as c
from alpaca_course.contamination import Overlap, Task, compare_files, highest, near, normalised, read_tasks, report, runs, scan, touched
from alpaca_course.families import FAMILIES, draw_item, test_items
from alpaca_course.microworld import data_folder
from alpaca_course.novelty import NoveltyFilter, rouge_l
from alpaca_course.records import RecordError

STRANGE = ['', '...', '?!', '你好', '再见', 'ÄÖÜ', "don't", 'a_b', 'x' * 400, 'the ' * 50, '1 2 3', 'A', 'a a a a', 'ﬁve']

def texts(rng, n): return [' '.join(rng.choice('abcdefgh'[:rng.randrange(2, 9)]) for _ in range(rng.randrange(12))) for _ in range(n)]

def tasks(found): return [Task(i, text) for i, text in enumerate(found, 1)]

@pytest.mark.parametrize('seed', range(6))
def test_near_is_what_comparing_with_each_finds(seed):
    rng = random.Random(seed)
    known, asked = texts(rng, 150) + STRANGE, texts(rng, 60) + STRANGE
    for threshold in (.3, 2 / 3, .7, .9, 1):
        index = NoveltyFilter(threshold)
        for text in known: index.add(text)
        for text in asked:
            assert near(index, text) == {i: f for i, other in enumerate(known) if (f := rouge_l(other, text)) > threshold}

@pytest.mark.parametrize('seed', range(4))
def test_highest_is_the_maximum_over_all(seed):
    rng = random.Random(seed)
    a, b = texts(rng, 60) + STRANGE, texts(rng, 80) + STRANGE
    assert highest(a, b) == [max(rouge_l(x, y) for y in b) for x in a]

def slow_scan(a, b, threshold, n):
    "Every pair looked at."
    found = {}
    for x in a:
        for y in b:
            share = len(runs(x.text, n) & runs(y.text, n)) / len(runs(y.text, n)) if runs(y.text, n) else 0
            kind = ('exact' if normalised(x.text) == normalised(y.text) else 'near' if rouge_l(x.text, y.text) > threshold else 'run' if share > threshold
                    else 'instruction' if normalised(x.instruction) == normalised(y.instruction) else None)
            if kind: found[x.line, y.line] = kind
    return found

@pytest.mark.parametrize('seed', range(4))
def test_scan_finds_what_comparing_all_pairs_finds(seed):
    rng = random.Random(seed)
    draw = lambda i: (lambda item: Task(i, item.instruction, item.input))(draw_item(rng, rng.choice(list(FAMILIES)), split='wide', framed=rng.random() < .5))
    a, b = [draw(i) for i in range(1, 81)] + tasks(texts(rng, 20) + STRANGE), [draw(i) for i in range(1, 81)] + tasks(texts(rng, 20) + STRANGE)
    a, b = ([t._replace(line=i) for i, t in enumerate(found, 1)] for found in (a, b))
    for threshold, n in [(.7, 8), (.5, 3)]:
        rows = scan(a, b, threshold, n, most=10**6)
        assert {(r.line_a, r.line_b): r.kind for r in rows} == slow_scan(a, b, threshold, n)
        assert len(rows) == len({(r.line_a, r.line_b) for r in rows})

def test_most_limits_the_rows_of_one_task_and_keeps_the_strongest():
    b = tasks(['sing a song of mine'] * 50 + ['sing a song of yours'] * 50)
    rows = scan([Task(1, 'Sing a song of mine!')], b, most=3)
    assert [(r.kind, r.line_b) for r in rows] == [('exact', 1), ('exact', 2), ('exact', 3)]

@pytest.mark.parametrize('a, b, same', [('Sing.', 'sing', True), ('Calculate 3 + 4', 'Calculate 3 - 4', False), ('3+4', '3-4', False), ('Ｓing', 'sing', True), ('"Sing"', 'SING', True), ('...', '!!!', False),
                                        ('कि', 'की', False), ('straße', 'STRASSE', True), ('a\u00a0b', 'a b', True), ('1.5', '15', False)])
def test_normal_form_keeps_what_carries_meaning(a, b, same): assert (normalised(a) == normalised(b)) == same

def test_a_task_inside_a_long_text_is_found_by_runs_only():
    question = 'Which of the three old bridges over the river was built before the great flood?'
    long = 'Some words. ' * 40 + question + ' More words.' * 40
    assert [(r.kind, r.score) for r in scan([Task(1, long)], [Task(1, question)])] == [('run', 1.)]
    assert scan([Task(1, long)], [Task(1, 'Spell bridge.')]) == []  # too short for runs: the stated blind spot

def test_files_in_the_shapes_of_others(tmp_path):
    (tmp_path / 'seeds.jsonl').write_text('\n' + json.dumps({'id': 's', 'instruction': 'Answer the question.', 'instances': [{'input': 'Who wrote this letter to me?', 'output': ''}, {'input': 'Where did the two boats go?'}]}) + '\n')
    (tmp_path / 'test.jsonl').write_text('\ufeff' + json.dumps({'prompt': 'p', 'instruction': 'Answer the question.\n', 'input': 'When will it rain again here?', 'response': 'r', 'target': 't'}), encoding='utf-8')
    assert [(t.line, t.input) for t in read_tasks(tmp_path / 'seeds.jsonl')] == [(2, 'Who wrote this letter to me?'), (2, 'Where did the two boats go?')]
    text = compare_files(tmp_path / 'seeds.jsonl', tmp_path / 'test.jsonl', out=tmp_path / 'rows.jsonl')
    assert '2 tasks in A, 1 in B' in text and '     1 instruction' in text and '     0 exact' in text
    rows = [Overlap(**json.loads(line)) for line in (tmp_path / 'rows.jsonl').read_text().splitlines()]
    assert [(r.line_a, r.line_b, r.kind) for r in rows] == [(2, 1, 'instruction'), (2, 1, 'instruction')]

@pytest.mark.parametrize('content, says', [('', 'empty'), ('[]', 'no tasks'), ('{"instruction": "a"', 'line 1'), ('[{"instruction": "a"}, {"instruction": null}]', 'line 1'), ('[{"instruction": "\\ud800"}]', 'surrogate'),
                                           ('[{"instruction": "a", "input": 5}]', 'must be text'), ('[' * 100_000, 'nested'), ('[5]', "'instruction'"), ('[{"instruction": "a", "instances": [3]}]', 'instances'),
                                           ('[{"instruction": "a", "instruction": "b"}]', 'comes 2 times'), ('[{"instruction": "nul\\u0000"}]', 'NUL')])
def test_hostile_files_give_one_sentence(tmp_path, content, says):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(RecordError, match='a.json') as error: read_tasks(tmp_path / 'a.json')
    assert says in str(error.value) and '\n' not in str(error.value)

def test_the_same_file_twice_is_refused(tmp_path):
    (tmp_path / 'a.json').write_text('[{"instruction": "a"}]')
    (tmp_path / 'b.json').symlink_to(tmp_path / 'a.json')
    with pytest.raises(ValueError, match='given twice'): compare_files(tmp_path / 'a.json', tmp_path / 'b.json')

def test_no_test_item_of_ours_is_among_our_seeds():
    seeds = read_tasks(data_folder() / 'seed_tasks.jsonl')
    for phrasing in ('seen', 'held-out'):
        items = [Task(i, item.instruction, item.input) for i, item in enumerate(test_items(17, phrasing=phrasing), 1)]
        rows = scan(seeds, items, most=10**6)
        assert bool(rows) == (phrasing == 'seen')  # the held-out phrasings are not even near
        assert not [r for r in rows if r.kind == 'exact' or c.same_item(r.text_a, r.text_b)]

def test_a_leaked_item_is_the_same_item_in_another_phrasing():
    seen, held = test_items(3), test_items(3, phrasing='held-out')
    text = lambda item: f'{item.instruction}\n{item.input}'
    same = [c.same_item(text(a), text(b)) for a, b in zip(seen, held)]
    assert sum(same) > .9 * len(same)  # a few questions read alike in two families
    assert not any(c.same_item(text(a), text(b)) for a, b in zip(seen, seen[1:]))

def test_counts_in_the_report_are_lines_of_b():
    rows = [Overlap(1, 5, 'near', .8, 'a', 'b'), Overlap(2, 5, 'exact', 1., 'a', 'b'), Overlap(3, 6, 'near', .9, 'a', 'b')]
    assert touched(rows) == {'exact': 1, 'near': 1}
    assert report([], 3, 4).count('\n') == len(c.KINDS)
