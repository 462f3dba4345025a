"""Blind comparison with judges whose verdicts are known, breakdowns and resumption, and scores against plain counting."""
import json, random, threading, time

import pytest

from alpaca_course.evaluation import (Replies, ask, combine_seeds, compare, difference, family_counts, one_order, pairwise_result,
                                      read_replies, sample_table, score)
from alpaca_course.families import check, test_items as make_items, wrong_answer
from alpaca_course.records import get_template
from alpaca_course.results import SHAPE, misfits, pair_contradictions
from alpaca_course.scripted import scripted_teacher
from alpaca_course.statistics import sign_test, wilson
from alpaca_course.teacher import Reply, Teacher, TeacherError, read_judge_prompt

ITEMS = make_items(per_family=2)
RIGHT = [item.answer for item in ITEMS]
WRONG = [wrong_answer(random.Random(n), item) for n, item in enumerate(ITEMS)]
MIXED = [random.Random(n).choice(pair) for n, pair in enumerate(zip(RIGHT, WRONG))]

class Judge:
    "Says what `decide(case)` says; breaks down after `good` replies; counts what it was asked."
    model = 'local-judge'
    def __init__(self, decide, good=10**9): self.decide, self.good, self.prompts, self.sampling, self.lock = decide, good, [], [], threading.Lock()

    def ask(self, prompt, **sampling):
        with self.lock:
            if len(self.prompts) >= self.good: raise TeacherError('unreachable', 'no server answered')
            self.prompts.append(prompt); self.sampling.append(sampling)
        return Reply(self.decide(read_judge_prompt(prompt)), 'stop')

def always_first(case): return 'The first. [[A]]'
def mute(case): return 'I would rather not say.'
def longer(case):
    a, b = len(case['answer A']), len(case['answer B'])
    return '[[C]]' if a == b else '[[A]]' if a > b else '[[B]]'
def mixed_up(case): return random.Random(json.dumps(case)).choice(['[[A]]', '[[B]]', '[[C]]', 'hm', '[[A]] or [[B]]'])


def test_a_judge_that_always_says_the_first_decides_nothing():
    pairs = compare(Judge(always_first), ITEMS, RIGHT, WRONG)
    assert (pairs.wins, pairs.losses, pairs.ties, pairs.flips) == (0, 0, len(ITEMS), len(ITEMS))
    assert pairs.win_share is None and pairs.p == 1 and pairs.first_slot.estimate == 1 and pairs.judge_agreement.estimate == 0
    assert one_order(pairs, 'a first') == (len(ITEMS), 0, 0) and one_order(pairs, 'b first') == (0, 0, len(ITEMS))

def test_a_judge_of_length_agrees_with_the_longest_baseline():
    pairs = compare(Judge(longer), ITEMS, RIGHT, WRONG)
    assert pairs.flips == 0 and pairs.judge_agreement == pairs.longest_agreement and pairs.longer_share.estimate == 1

def test_a_mute_judge_gives_ties_that_are_counted_as_unparsable():
    pairs = compare(Judge(mute), ITEMS, RIGHT, WRONG)
    assert (pairs.ties, pairs.unparsable, pairs.flips) == (len(ITEMS), len(ITEMS), 0)

@pytest.mark.parametrize('seed', range(5))
def test_every_count_follows_from_the_votes_and_fits_the_report(seed):
    rng = random.Random(seed)
    a, b = ([rng.choice(pair) for pair in zip(RIGHT, WRONG)] for _ in range(2))
    pairs = compare(Judge(mixed_up), ITEMS, a, b, seed=seed)
    wins = sum(x == 'A' and y == 'B' for x, y in zip(pairs.a_first, pairs.b_first))
    losses = sum(x == 'B' and y == 'A' for x, y in zip(pairs.a_first, pairs.b_first))
    assert (pairs.wins, pairs.losses, pairs.ties) == (wins, losses, len(ITEMS) - wins - losses) and pairs.p == sign_test(wins, losses)
    assert pairs.right_a == [check(item, answer) for item, answer in zip(ITEMS, a)]
    result = json.loads(json.dumps(pairwise_result(pairs, 'tuned', 'base')))
    assert not misfits(result, SHAPE['pairwise'][0]) and not pair_contradictions('pairwise[0]', result)
    swapped = compare(Judge(mixed_up), ITEMS, b, a, seed=seed)
    assert (swapped.wins, swapped.losses, swapped.flips, swapped.first_slot, swapped.judge_agreement) == (pairs.losses, pairs.wins, pairs.flips, pairs.first_slot, pairs.judge_agreement)

def test_the_judge_is_blind_and_asked_coldly_in_both_orders():
    judge = Judge(longer)
    pairs = compare(judge, ITEMS, RIGHT, WRONG, workers=1)
    cases = [read_judge_prompt(prompt) for prompt in judge.prompts]
    assert len(cases) == 2 * len(ITEMS) and all(sampling['temperature'] == 0 for sampling in judge.sampling)
    assert [case['answer A'] == right for case, right in zip(cases[::2], RIGHT)] == pairs.coins
    assert not any(name in prompt for prompt in judge.prompts for name in ('tuned', 'base model', 'teacher-', 'model a'))
    assert .2 < sum(pairs.coins) / len(ITEMS) < .8 and pairs.coins != compare(Judge(longer), ITEMS, RIGHT, WRONG, seed=1).coins

def test_equal_prompts_are_asked_once():
    judge = Judge(always_first)
    compare(judge, ITEMS[:5], RIGHT[:5], RIGHT[:5])
    assert len(judge.prompts) == 5

@pytest.mark.parametrize('good', [0, 1, 7, 50])
@pytest.mark.parametrize('on_disk', [True, False])
def test_a_comparison_goes_on_where_the_judge_broke_down(tmp_path, good, on_disk):
    cache, whole = tmp_path / 'replies.jsonl' if on_disk else {}, compare(Judge(mixed_up), ITEMS, RIGHT, WRONG)
    broken = Judge(mixed_up, good)
    with pytest.raises(TeacherError): compare(broken, ITEMS, RIGHT, WRONG, cache=cache)
    assert len(read_replies(cache) if on_disk else cache) == good
    second = Judge(mixed_up)
    assert compare(second, ITEMS, RIGHT, WRONG, cache=cache) == whole
    assert len(second.prompts) == 2 * len(ITEMS) - good and not set(second.prompts) & set(broken.prompts)
    third = Judge(mixed_up, good=0)
    assert compare(third, ITEMS, RIGHT, WRONG, cache=cache) == whole

def test_ctrl_c_keeps_what_was_judged(tmp_path):
    path = tmp_path / 'replies.jsonl'
    def slow(case): time.sleep(.05); return mixed_up(case)
    def stop(done, total):
        if done == 3: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): compare(Judge(slow), ITEMS, RIGHT, WRONG, cache=path, on_progress=stop)
    assert 3 <= len(read_replies(path)) < 2 * len(ITEMS)
    assert compare(Judge(mixed_up), ITEMS, RIGHT, WRONG, cache=path) == compare(Judge(mixed_up), ITEMS, RIGHT, WRONG)

@pytest.mark.parametrize('cut', [1, 5, 20, 39])
def test_a_line_cut_short_is_dropped_and_other_damage_is_named(tmp_path, cut):
    path = tmp_path / 'replies.jsonl'
    replies = Replies(path)
    replies['k1'] = 'Ünïcode \u2028 [[A]]'; replies['k2'] = '[[B]]'
    whole = path.read_bytes()
    path.write_bytes(whole[:-min(cut, len(whole.splitlines(True)[-1]) - 1)])
    assert Replies(path) == {'k1': 'Ünïcode \u2028 [[A]]'}
    Replies(path)['k3'] = '[[C]]'
    assert set(Replies(path)) == {'k1', 'k3'}
    for bad in (b'{"key": "k"}\n', b'nonsense\n', b'[1]\n', b'\xff\n', b'null\n'):
        path.write_bytes(whole + bad)
        with pytest.raises(ValueError, match=r'replies\.jsonl, line 3: not a judge'): Replies(path)

def test_an_unreachable_judge_is_named():
    judge = Teacher('http://127.0.0.1:9/v1', 'none', 'teacher-large', max_retries=0)
    with pytest.raises(TeacherError, match='no server answered at http://127.0.0.1:9/v1'): compare(judge, ITEMS[:3], RIGHT[:3], WRONG[:3])

def test_a_clean_scripted_judge_is_always_right():
    with scripted_teacher('teacher-clean') as url:
        pairs = compare(Teacher(url, 'x', 'teacher-clean'), ITEMS, RIGHT, WRONG)
    assert pairs.wins == pairs.n == len(ITEMS) and pairs.flips == 0 and pairs.judge_agreement.estimate == 1

def test_scores_are_plain_counts():
    polite = [f'Sure! {answer} I hope this helps.' for answer in MIXED]
    plain, dressed = score(ITEMS, MIXED), score(ITEMS, polite)
    right = [check(item, answer) for item, answer in zip(ITEMS, MIXED)]
    assert plain.right == dressed.right == plain.strict == right and not any(dressed.strict) and all(dressed.styled) and not any(plain.styled)
    assert plain.accuracy == wilson(sum(right), len(right)) and sum(k for k, _ in plain.by_family.values()) == sum(right)
    assert sum(n for _, n in plain.by_family.values()) == len(ITEMS)
    assert difference(plain, dressed)[:3] == (0, 0, 1)

def test_family_counts_fit_the_report():
    base, runs = score(ITEMS, [''] * len(ITEMS)), [score(ITEMS, MIXED), score(ITEMS, RIGHT)]
    counts = family_counts(base, runs)
    assert not misfits(counts, SHAPE['bases']['*']['families'])
    assert all(f['base']['k'] == 0 and f['tuned']['k'][1] == f['tuned']['n'] for f in counts.values())

def test_seeds_on_the_same_items_are_not_more_items():
    run = score(ITEMS, MIXED)
    three, one = combine_seeds([run] * 3), combine_seeds([run])
    assert three.n == len(ITEMS) and abs((three.high - three.low) - (one.high - one.low)) < .05
    assert combine_seeds([run], 'styled').estimate == 0

def test_samples_fit_the_report():
    rows = sample_table(ITEMS, {'base': WRONG, 'tuned': MIXED, 'teacher': RIGHT}, n=6, base_name='few')
    assert len(rows) == 6 and not any(misfits(row, SHAPE['samples'][0]) for row in rows)
    assert all(row['teacher_ok'] and not row['base_ok'] for row in rows)
    assert rows == sample_table(ITEMS, {'base': WRONG, 'tuned': MIXED, 'teacher': RIGHT}, n=6, base_name='few')

@pytest.mark.parametrize('answers, words', [([], '0 answers to'), (RIGHT[:-1], 'answers to'), ([*RIGHT[:-1], None], 'got NoneType'), ([7, *RIGHT[1:]], 'answer 1 of')])
def test_answers_that_do_not_fit_are_refused(answers, words):
    judge = Judge(longer)
    for attempt in (lambda: score(ITEMS, answers), lambda: ask(lambda prompts: answers, ITEMS, get_template('alpaca')), lambda: compare(judge, ITEMS, RIGHT, answers),
                    lambda: compare(judge, ITEMS, answers, RIGHT), lambda: sample_table(ITEMS, {'x': answers})):
        with pytest.raises(ValueError, match=words): attempt()
    assert not judge.prompts
