"""The 175 seed tasks: schema, right answers, nothing of the test in them, and variety."""
import json, re
from itertools import combinations
from pathlib import Path

import pytest

from alpaca_course.families import FAMILIES, check, recognise, strict
from alpaca_course.microworld import BAD, GOOD, NOUNS, OPPOSITES, VERBS, WORLD, ZIM, split_of
from alpaca_course.novelty import rouge_l
from alpaca_course.parsing import build_prompt, reject_reason
from alpaca_course.records import Record, read_seeds

FILE = Path(__file__).resolve().parent.parent/'data/seed_tasks.jsonl'
ROWS = [json.loads(line) for line in FILE.read_text(encoding='utf-8').splitlines()]
IN_WORLD, EVERYDAY = ([row for row in ROWS if row['name'].startswith(kind)] for kind in ('world_', 'everyday_'))

def record(row): return Record(row['instruction'], row['instances'][0]['input'], row['instances'][0]['output'])
def item(row): return recognise(row['instruction'], row['instances'][0]['input'])
def asked(row): return f"{row['instruction']} {row['instances'][0]['input']}".strip()
def words(text): return set(re.findall('[A-Za-z]+', text))


# ---- the file
def test_175_tasks_in_the_published_shape():
    assert [row['id'] for row in ROWS] == [f'seed_task_{i}' for i in range(175)]
    assert len({row['name'] for row in ROWS}) == 175 and (len(IN_WORLD), len(EVERYDAY)) == (105, 70)
    for row in ROWS:
        assert list(row) == ['id', 'name', 'instruction', 'instances', 'is_classification'] and isinstance(row['is_classification'], bool)
        assert [set(instance) for instance in row['instances']] == [{'input', 'output'}]
        assert all(isinstance(text, str) and text == text.strip() and text.isascii() for text in (row['instruction'], *row['instances'][0].values()))
    assert len({asked(row) for row in ROWS}) == 175

def test_the_course_reads_and_keeps_all_of_them():
    assert read_seeds(FILE) == [record(row) for row in ROWS]
    for row in ROWS:
        assert reject_reason(record(row)) is None, row
    for row in ROWS: assert row['instruction'] in build_prompt([record(row)]) and record(row).output in build_prompt([record(row)])

def test_the_two_kinds_are_mixed():
    kinds = ''.join('w' if row in IN_WORLD else 'e' for row in ROWS)
    assert 'w' * 12 not in kinds and 'e' * 12 not in kinds and all(.4 < kinds[i:i + 58].count('w') / 58 < .8 for i in (0, 58, 116))

def test_shares_of_inputs_and_classifications():
    assert 22 <= sum(bool(row['instances'][0]['input']) for row in EVERYDAY) <= 28
    assert sum(row['is_classification'] for row in EVERYDAY) == 12
    assert {item(row).family for row in IN_WORLD if row['is_classification']} == {'kind', 'yesno', 'contains', 'category', 'mood'}


# ---- the world
def test_three_phrasings_of_each_family_none_held_out():
    found = sorted((item(row).family, item(row).phrasing) for row in IN_WORLD)
    assert found == sorted((family, phrasing) for family in FAMILIES for phrasing in range(3))
    assert all(row['name'] == f'world_{item(row).family}_{item(row).phrasing}' and len(FAMILIES[item(row).family].phrasings) > 3 for row in IN_WORLD)

def test_answers_are_the_reference_answers():
    for row in IN_WORLD:
        output = row['instances'][0]['output']
        assert output == item(row).answer and check(item(row), output) and strict(item(row), output), row

def test_no_name_of_the_test_anywhere():
    for row in ROWS:
        assert not {e.name for e in WORLD.entities.values() if e.split != 'train'} & words(f'{asked(row)} {record(row).output}'), row
    for row in IN_WORLD:
        if item(row).family == 'unknown': assert split_of(item(row).slots['name']) == 'train'

def test_no_noun_of_the_test_in_the_world_tasks():
    held_out = {noun for noun in NOUNS if split_of(noun) != 'train'}
    for row in IN_WORLD: assert not held_out & words(f'{asked(row)} {record(row).output}'.lower().replace(' saw a ', ' ')), row  # "saw" of the stories is a verb

@pytest.mark.parametrize('family, drawn', [
    ('opposite', lambda s: [next(pair for pair in OPPOSITES if s['adjective'] in pair)]), ('mood', lambda s: [(w,) for w in words(s['text']) & {*GOOD, *BAD}]),
    ('past', lambda s: [(v,) for v in VERBS if s['text'].split()[2] in (v + 's', v + 'es')]), ('to_zim', lambda s: [(w,) for w in s['words'].split()]),
    ('from_zim', lambda s: [(w,) for w, zim in ZIM.items() if zim in s['zim'].split()]), ('add', lambda s: [(s['a'], s['b'])]), ('largest', lambda s: [(s['numbers'],)]),
    ('list', lambda s: [(s['type'], s['attribute'], s['value'])])])
def test_other_words_and_numbers_are_of_the_training_half(family, drawn):
    for row in IN_WORLD:
        if item(row).family == family:
            keys = drawn(item(row).slots)
            assert keys and {split_of(*key) for key in keys} == {'train'}, row

def test_neighbouring_answers_differ():
    for family in set(FAMILIES) - {'unknown', 'refusal'}:
        assert len({item(row).answer.split()[-1] if row['is_classification'] else item(row).answer for row in IN_WORLD if item(row).family == family}) > 1, family


# ---- everyday text
def test_everyday_tasks_are_none_of_the_world():
    for row in EVERYDAY: assert item(row) is None and not set(WORLD.entities) & words(f'{asked(row)} {record(row).output}'), row

def test_everyday_tasks_are_unlike_each_other():
    assert max(rouge_l(asked(a), asked(b)) for a, b in combinations(EVERYDAY, 2)) < .5
    assert max(rouge_l(record(a).output, record(b).output) for a, b in combinations(EVERYDAY, 2) if not a['is_classification']) < .7

def test_everyday_outputs_are_short(): assert max(len(record(row).output.split()) for row in EVERYDAY) <= 100

def outputs(): return {row['name'].removeprefix('everyday_'): record(row).output for row in EVERYDAY}

def test_sums_in_words():
    rest_of_bags, fifty = 15 * 6 - 87, next(n for n in range(19) if 20 * (18 - n) + 50 * n == 600)
    wanted = dict(rope_pieces=f'There are {700 // 35} pieces.', bags_of_rolls=f'{-(-87 // 6)} bags. They hold 90 rolls, and {rest_of_bags} are left', taxi_bill=f'Each pays 45.00 / 3 = {(41.4 + 3.6) / 3:.2f}.',
                  journey_time='{} hours and {} minutes'.format(*divmod(13 * 60 + 15 - 9 * 60 - 48, 60)), leaking_bucket=f'= {12 // (12 // 3 - 1)} minutes.',
                  coins_in_jar=f'{fifty} coins of 50 cents and {18 - fifty} of 20 cents', oven_dial=f'turn the dial to {round((350 - 32) * 5 / 9, -1):.0f} degrees',
                  scale_recipe=f'{200 * 10 // 4} g lentils, {2 * 10 // 4} onions, 1,500 ml stock, {4 * 10 // 4} spoons')
    for name, text in wanted.items(): assert text in outputs()[name], name

def test_wanted_forms():
    said = outputs()
    assert len(said['shorten_message'].split()) <= 15 and len(said['eight_word_headline'].split()) <= 8 and len(said['broken_vase'].split()) < 60
    assert json.loads(said['booking_json']) == {'day': '14 June', 'room': 'garden room', 'guests': 22}
    assert all(line.count(',') == 2 for line in said['notes_to_csv'].split('\n')) and all(line.count('|') == 3 for line in said['lunch_table'].split('\n'))
    assert [len(said[name].split('\n')) for name in ('jam_jars', 'chalk_games', 'rain_words', 'old_dog', 'mountain_hut', 'bee_talk', 'elevator_talk')] == [5, 4, 6, 5, 8, 3, 4]
    assert [len(re.findall(r'[.!?](?=\s|$)', said[name])) for name in ('stale_bread', 'canal_lock', 'laundromat_ghost', 'glad_glove')] == [2, 3, 2, 4]

def test_the_clock_pattern_works():
    pattern = re.compile(outputs()['clock_regex'].split('\n')[0])
    times = {f'{hour:02}:{minute:02}' for hour in range(100) for minute in range(100)}
    assert {time for time in times if pattern.search(time)} == {f'{hour:02}:{minute:02}' for hour in range(24) for minute in range(60)} and not pattern.search('7:45')

def test_the_code_runs(capsys):
    space = {}
    exec(outputs()['code_comment'], space)
    exec(outputs()['endless_loop'].split('\n\n')[1], {})
    assert space['f']([1, 2, 4]) == 6 and capsys.readouterr().out.split() == list('54321')
