"""The exact filter against rouge-score, on random and on realistic text, at easy and at nasty thresholds."""
import math, random, subprocess, sys
from fractions import Fraction

import pytest
from rouge_score import rouge_scorer

from alpaca_course import novelty
from alpaca_course.novelty import NoveltyFilter, common_length, f_measure, least_common, least_shared, position_masks, rouge_l, words

JUDGE = rouge_scorer.RougeScorer(['rougeL'], use_stemmer=False)
PATTERNS = ['What is the {a} of {n}?', 'Name the {a} of {n}.', 'Write {n} three times.', 'Tell a story about {n}.', 'Reverse the words.\n{n} {a} {m}', 'Is the {a} of {n} {m}?',
            'Please explain in two sentences why the {a} of {n} is not the {a} of {m}, and give an example.', 'Spell {n}.', 'Sort the words.\n{m} {n} {a} {n} {a}']
NOUNS = 'color home food pet job region product sight use season moon king box apple coat river'.split()
STRANGE = ['', '...', '?!', '你好', 'ÄÖÜ', 'İ', 'K', "don't", "don 't", 'a_b', 'x' * 500, 'the ' * 60, '1 2 3', '\n', 'A', 'a a a a', 'ﬁve', '\ud800 lone', 'nul\0nul']

def realistic(rng, total):
    text = lambda: rng.choice(PATTERNS).format(a=rng.choice(NOUNS), n=rng.choice(NOUNS), m=rng.choice(NOUNS))
    return [text() if rng.random() < .9 else rng.choice(STRANGE) for _ in range(total)]

def random_words(rng, total): return [' '.join(rng.choice('abcdefghij'[:rng.randrange(2, 11)]) for _ in range(rng.randrange(14))) for _ in range(total)]

def brute_force(texts, threshold, score):
    kept = []
    for text in texts:
        if all(score(old, text) <= threshold for old in kept): kept.append(text)
    return kept

def published(a, b): return JUDGE.score(a, b)['rougeL'].fmeasure


def test_scores_are_those_of_rouge_score():
    rng = random.Random(0)
    texts = STRANGE + realistic(rng, 40) + random_words(rng, 40)
    for a in texts:
        for b in texts: assert rouge_l(a, b) == published(a, b), (a, b)

@pytest.mark.parametrize('seed', range(12))
def test_decisions_are_those_of_rouge_score(seed):
    rng = random.Random(seed)
    texts = realistic(rng, 45) + random_words(rng, 45)
    rng.shuffle(texts)
    edges = [2 * c / (m + n) for c, m, n in [(1, 2, 3), (3, 4, 5), (7, 10, 10), (4, 5, 5), (2, 3, 3)]]
    for threshold in [*edges, rng.random() or 1, .7, 1e-9, 1., 1]:
        fast = NoveltyFilter(threshold)
        for text in texts:
            kept, neighbour, score = fast.check(text)
            if kept: assert (neighbour, score) == (None, 0.)
            else: assert neighbour in fast.texts and score == published(neighbour, text) > threshold
        assert fast.texts == brute_force(texts, threshold, published)

def related(rng, total):
    "Random texts, many of them an earlier one with words left out, put in, doubled, exchanged or in another order; words are few or many, even or by Zipf's law."
    vocabulary = [chr(97 + i % 26) + str(i // 26 or '') for i in range(rng.choice([1, 2, 4, 9, 30, 200]))]
    weights = [1 / (i + 1) ** rng.choice([0, 1, 1.5]) for i in range(len(vocabulary))]
    fresh = lambda most: rng.choices(vocabulary, weights, k=rng.randrange(most))
    texts = [fresh(12)]
    while len(texts) < total:
        text = list(rng.choice(texts)) if rng.random() < .6 else fresh(rng.choice([2, 6, 12, 12, 50]))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(text) + 1)
            text[at:at + rng.randrange(3)] = rng.choice([[], fresh(3), text[at:at + 2] * 2])
        if rng.random() < .15: rng.shuffle(text)
        texts.append(text)
    return [rng.choice([' ', ', ', '\n', ' - ']).join(text).title() if rng.random() < .5 else ' '.join(text) for text in texts]

def edges(scores):
    "Thresholds in (0, 1] where a decision may turn: every score, the numbers next to it on either side, and the ends."
    ends = {5e-324, 1e-300, 1e-9, math.nextafter(1, 0), 1.}
    return sorted(ends | {t for score in scores for t in (math.nextafter(score, 0), score, math.nextafter(score, 1)) if 0 < t <= 1})

def wrong(texts, threshold, score):
    "The first decision, in order and against everything kept so far, that is not that of `score`: None, or the text and both answers."
    fast, kept = NoveltyFilter(threshold), []
    for text in texts:
        near = next(((old, score(old, text)) for old in kept if score(old, text) > threshold), (None, 0.))  # the earliest
        if near[0] is None: kept.append(text)
        answer = fast.check(text)
        if answer != (near[0] is None, *near) or fast.texts != kept: return text, answer, near

def smallest(texts, fails):
    "`texts` without those that are not needed for `fails(texts)`."
    for text in list(texts):
        rest = [t for t in texts if t is not text]
        if fails(rest): texts = rest
    return texts

@pytest.mark.parametrize('seed', range(40))
def test_every_edge_of_every_decision(seed):
    rng = random.Random(seed)
    texts = related(rng, 28) + rng.sample(STRANGE, 4)
    scores = {(a, b): published(a, b) for a in texts for b in texts}
    thresholds = edges(scores.values())
    for threshold in rng.sample(thresholds, min(120, len(thresholds))) + [5e-324, math.nextafter(1, 0), 1, 1.]:
        fails = lambda texts: wrong(texts, threshold, lambda a, b: scores[a, b])
        assert not fails(texts), (threshold, few := smallest(texts, fails), fails(few))

def test_the_search_for_a_small_example_works(monkeypatch):
    texts = related(random.Random(1), 30) + ['a b c d', 'a b c d']
    monkeypatch.setattr(NoveltyFilter, 'neighbour', lambda self, text: (None, 0.))
    few = smallest(texts, lambda texts: wrong(texts, .5, rouge_l))
    assert len(few) == 2 and rouge_l(*few) > .5

@pytest.mark.parametrize('threshold', [.4, .7, .8, .95])
def test_decisions_stay_right_when_the_index_is_sorted_anew(threshold):
    texts = realistic(random.Random(5), 700) + random_words(random.Random(6), 500)
    fast = NoveltyFilter(threshold)
    for text in texts: fast.check(text)
    assert fast.texts == brute_force(texts, threshold, rouge_l)
    assert len(fast) > 64 or threshold < .5

def test_added_texts_count_even_when_they_resemble_each_other():
    fast = NoveltyFilter(.7)
    for text in ['Name a big lake.', 'Name a big lake!'] * 40: fast.add(text)
    assert len(fast) == 80 and fast.check('name a BIG lake') == (False, 'Name a big lake.', 1.)

def test_rounding_at_the_edge_is_the_published_one():
    exact = [(c, m, n) for m in range(1, 60) for n in range(1, 60) for c in range(1, min(m, n) + 1) if Fraction(2 * c, m + n) == Fraction(7, 10)]
    assert {f_measure(*e) > .7 for e in exact} == {True, False}  # so the order of operations matters
    for c, m, n in exact:
        a, b = ['x'] * c + ['y'] * (m - c), ['x'] * c + ['z'] * (n - c)
        fast = NoveltyFilter(.7)
        fast.check(' '.join(a))
        assert fast.check(' '.join(b))[0] == (published(' '.join(a), ' '.join(b)) <= .7)

@pytest.mark.parametrize('threshold', [1e-6, .01, .3, .5, .7, 2/3, .99, 1])
def test_bounds_are_tight(threshold):
    for m in range(1, 25):
        for n in range(1, 25):
            enough = [c for c in range(1, min(m, n) + 1) if f_measure(c, m, n) > threshold]
            assert least_common(threshold, m, n) == min(enough, default=min(m, n) + 1)
            if enough: assert least_shared(threshold, n) <= enough[0]

def test_long_texts():
    rng = random.Random(1)
    a = [rng.choice('abc') for _ in range(3000)]
    assert common_length(position_masks(a), len(a), a) == 3000
    fast = NoveltyFilter(.7)
    assert fast.check(' '.join(a))[0] and not fast.check(' '.join(a[:2000]))[0] and fast.check(' '.join(a[:1500]))[0]

def test_few_pairs_are_compared(monkeypatch):
    calls = []
    monkeypatch.setattr(novelty, 'common_length', lambda *a: calls.append(1) or common_length(*a))
    rng = random.Random(3)
    vocabulary = [f'w{i}' for i in range(400)]
    fast = NoveltyFilter(.7)
    for _ in range(2000): fast.check(' '.join(rng.choices(vocabulary, [1 / (i + 1) for i in range(400)], k=rng.randrange(5, 20))))
    assert len(calls) < 2000 * 2000 / 2 / 100

@pytest.mark.parametrize('threshold', [0, -1, 1.0001, 70, float('nan')])
def test_threshold_must_be_a_share(threshold):
    with pytest.raises(ValueError, match='above 0 and at most 1'): NoveltyFilter(threshold)

def test_module_needs_python_only():
    code = 'import sys, alpaca_course.novelty; print([m for m in ("rouge_score", "nltk", "numpy", "torch", "fastcore", "openai") if m in sys.modules])'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'

def test_words_are_those_of_rouge_score():
    for text in STRANGE: assert words(text) == JUDGE._tokenizer.tokenize(text)
