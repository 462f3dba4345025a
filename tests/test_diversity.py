"""The rules on their labels and on hostile text, subsets of equal size, and the claim with its control."""
import json, random
from collections import Counter

import pytest

from alpaca_course import diversity as d
from alpaca_course.diversity import Head, claim_few_jokes, coverage, draw_tasks, head, item_key, subset_by_families, top_pairs
from alpaca_course.families import COMPILED, FAMILIES, draw_item, frame, make_item, recognise, unframe
from alpaca_course.microworld import data_folder
from alpaca_course.records import Record, read_seeds
from alpaca_course.statistics import wilson

LABELS = [json.loads(line) for line in (data_folder() / 'verb_labels.jsonl').read_text().splitlines()]
SEEDS = read_seeds(data_folder() / 'seed_tasks.jsonl')

def test_labels_are_ours_and_well_formed():
    assert len(LABELS) >= 100 and len({r['instruction'] for r in LABELS}) == len(LABELS)
    assert Counter(r['half'] for r in LABELS) == {'develop': 69, 'held out': 69}
    seeds = {r.instruction for r in SEEDS}
    for r in LABELS:
        assert r['kind'] in ('order', 'question', 'other') and not (r['kind'] == 'other' and r['verb'])
        patterns = [first for _, _, first, _ in COMPILED]
        assert r['instruction'] in seeds or any(p.fullmatch(t) for p in patterns for t in (r['instruction'], unframe(r['instruction']))), r

def test_error_rate_on_held_out_labels():
    held = [r for r in LABELS if r['half'] == 'held out']
    wrong = sum(tuple(head(r['instruction'])) != (r['kind'], r['verb'], r['object']) for r in held)
    assert wilson(wrong, len(held)).high < .1

@pytest.mark.parametrize('text', ['', ' ', '\n\n', '...', '???', '"', 'a' * 5000, 'write ' * 2000, '你好', 'Ω', '\ud800', 'nul\0', 'Write', 'write', 'and', 'me', 'I want you to', 'please', 'How', 'How many?', 'which', '-', "'", '1. 2. 3.', 'Do'])
def test_no_text_breaks_the_rules(text):
    found = head(text)
    assert found.kind in ('order', 'question', 'other') and all(isinstance(x, str) for x in found)

def test_random_words_never_break_the_rules():
    rng, pool = random.Random(0), sorted(d.VERBS | d.BOUNDARIES | d.PRONOUNS | d.QUESTION_WORDS | d.ASKING) + list('.,:;?!"\'()') + ['Tolu', 'x1', '7', "don't"]
    for _ in range(2000): head(' '.join(rng.choice(pool) for _ in range(rng.randrange(12))))

@pytest.mark.parametrize('text, want', [('Could you please write a short letter to my aunt?', ('order', 'write', 'letter')), ('Given a sentence, write it in capitals.', ('order', 'write', '')), ('The sky is blue.', ('other', '', '')),
                                        ('You are asked to sort these boxes.', ('order', 'sort', 'box')), ('If it rains, what should we do?', ('question', 'what', '')), ('Describe Tolu.', ('order', 'describe', '(name)'))])
def test_examples_off_the_label_sheet(text, want): assert head(text) == Head(*want)

def test_frames_do_not_change_the_head():
    rng = random.Random(1)
    items = [draw_item(rng, rng.choice(list(FAMILIES))) for _ in range(300)]
    same = sum(head(frame(rng, i.instruction)) == head(i.instruction) for i in items)
    assert wilson(same, 300).low > .9

def test_visible_share_is_counted_over_all_texts():
    texts = ['Sort the words.'] * 3 + ['Sort the cards.'] * 2 + ['Sort the keys.'] + ['Why?'] * 4
    assert top_pairs(texts, objects=2) == ({'sort': {'word': 3, 'card': 2}}, .5)
    assert top_pairs(texts, least=2)[1] == .5 and top_pairs(texts, least=4) == ({}, 0.)
    big = [draw_item(random.Random(i), list(FAMILIES)[i % len(FAMILIES)]).instruction for i in range(350)]
    assert top_pairs(big, verbs=2)[1] <= top_pairs(big, verbs=5)[1] <= top_pairs(big, verbs=99, objects=999)[1] <= 1

def test_plot_says_its_share():
    import matplotlib; matplotlib.use('agg')
    ax = d.plot_pairs(['Sort the words.', 'Why?'])
    assert any('50% of' in t.get_text() for t in ax.texts)

POOL = [Record(i.instruction, i.input, i.answer) for i in (draw_item(random.Random(f'p{n}'), list(FAMILIES)[n % len(FAMILIES)]) for n in range(1400))]

@pytest.mark.parametrize('families, size', [(1, 20), (3, 20), (10, 100), (25, 101), (7, 7)])
def test_subsets_have_equal_size_and_the_wanted_families(families, size):
    part = subset_by_families(POOL, families, size, seed=3)
    counts = coverage(part)
    assert len(part) == size and len(counts) == families and None not in counts and max(counts.values()) - min(counts.values()) <= 1
    assert part == subset_by_families(POOL, families, size, seed=3) and (families == size or part != subset_by_families(POOL, families, size, seed=4))
    assert not Counter(part) - Counter(POOL)  # drawn without replacement

@pytest.mark.parametrize('families, size', [(0, 5), (6, 5), (500, 500), (2, 10_000)])
def test_impossible_subsets_are_refused(families, size):
    with pytest.raises(ValueError): subset_by_families(POOL, families, size)

def test_an_item_is_one_item_in_every_phrasing():
    for name, family in FAMILIES.items():
        slots = family.draw(random.Random(5), 'train')
        items = [make_item(name, slots, i, random.Random(i)) for i in range(len(family.phrasings))]
        keys = {item_key(Record(i.instruction, i.input)) for i in items if recognise(i.instruction, i.input).family == name}
        assert len(keys) <= 1, name

def test_draws_are_of_the_wanted_number_and_repeatable():
    for way in [*d.SHOWN, 'uniform']:
        a = draw_tasks(way, 45, 2, SEEDS)
        assert len(a) == 45 and a == draw_tasks(way, 45, 2, SEEDS) and a != draw_tasks(way, 45, 3, SEEDS)

def test_claim_can_be_supported_and_can_fail():
    result = claim_few_jokes(n=150, runs=range(4))
    assert result.id == 'few-jokes' and result.n == 600 and result.seeds == (0, 1, 2, 3) and 'control' in result.note
    assert result.low <= result.estimate <= result.high and (result.verdict == 'supported') == (result.low > 0)
    tiny = claim_few_jokes(n=20, runs=range(3))  # twenty tasks hardly repeat: nothing to see
    assert tiny.verdict == 'not shown'
    with pytest.raises(ValueError, match='three seeds'): claim_few_jokes(n=20, runs=[1, 2])
