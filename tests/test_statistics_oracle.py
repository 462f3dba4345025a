"The statistics lesson against statsmodels, scipy and published tables, on random inputs with a fixed seed."
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t as student
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa, to_table
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint

from alpaca_course import statistics
from alpaca_course.statistics import (Interval, kappa, mcnemar, mean_interval, paired_bootstrap, paired_shares, sample_size, seeds_interval,
                                      sign_test, wilson)


@pytest.fixture
def rng(): return np.random.default_rng(20230313)


def test_wilson_is_statsmodels_wilson(rng):
    for _ in range(500):
        n = int(rng.integers(1, 3000)); k = int(rng.integers(0, n + 1)); level = float(rng.uniform(.5, .999))
        ours = wilson(k, n, level)
        np.testing.assert_allclose(ours[1:3], proportion_confint(k, n, alpha=1 - level, method="wilson"), atol=1e-12)
        assert 0 <= ours.low <= ours.estimate <= ours.high <= 1 and ours.n == n


@pytest.mark.parametrize("k, n, low, high", [(0, 20, .000, .161), (24, 30, .627, .905), (90, 179, .430, .575), (108, 200, .471, .608)])
def test_wilson_of_published_counts(k, n, low, high):
    assert wilson(k, n)[1:3] == pytest.approx((low, high), abs=1e-3)


def test_wilson_covers_as_promised():
    "Mean coverage over all truths within one point of 95 %, exactly computed."
    for n in (10, 30, 179):
        intervals = [wilson(k, n) for k in range(n + 1)]
        covered = [sum(binom.pmf(k, n, t) for k, i in enumerate(intervals) if i.low <= t <= i.high) for t in np.linspace(.01, .99, 99)]
        assert np.mean(covered) == pytest.approx(.95, abs=.01)


def test_sign_test_is_scipy_binomtest(rng):
    for _ in range(500):
        wins, losses = map(int, rng.integers(0, 10 ** int(rng.integers(1, 5)), 2))
        if wins + losses: assert sign_test(wins, losses) == pytest.approx(binomtest(wins, wins + losses, .5).pvalue, rel=1e-8)
    assert sign_test(90, 89) == 1 and sign_test(0, 0) == 1


def test_mcnemar_is_statsmodels_exact(rng):
    for _ in range(200):
        both, only_a, only_b, neither = map(int, rng.integers(0, 60, 4))
        if only_a + only_b == 0: continue
        theirs = sm_mcnemar([[both, only_a], [only_b, neither]], exact=True).pvalue
        assert mcnemar(only_a, only_b) == pytest.approx(theirs, rel=1e-9)
    assert mcnemar(80, 5) == pytest.approx(2e-18, rel=.5)
    assert mcnemar(5, 0) > .05 > mcnemar(6, 0)


def test_sample_size_is_the_normal_approximation(rng):
    for _ in range(200):
        null, share = rng.uniform(.1, .9, 2)
        if abs(share - null) < .01: continue
        power, alpha, spread = float(rng.uniform(.6, .95)), float(rng.uniform(.01, .1)), np.sqrt(null * (1 - null))
        theirs = normal_sample_size_one_tail(share - null, power, alpha / 2, std_null=spread, std_alternative=spread)
        assert sample_size(share, null, power, alpha) == np.ceil(theirs)
    assert (sample_size(.55), sample_size(.6)) == (785, 197)


@pytest.mark.parametrize("share", [.55, .6, .65, .7])
def test_sample_size_gives_the_power_it_promises(share):
    "Exact power of the sign test: within two points of 80 % (five where n is under 100, whole counts being coarse)."
    n = sample_size(share)
    power = sum(binom.pmf(k, n, share) for k in range(n + 1) if sign_test(k, n - k) < .05)
    assert power == pytest.approx(.8, abs=.02 if n > 100 else .05)


def test_kappa_is_statsmodels_kappa(rng):
    for _ in range(100):
        labels = int(rng.integers(2, 6)); a = rng.integers(0, labels, 80); b = np.where(rng.random(80) < .6, a, rng.integers(0, labels, 80))
        table, _ = to_table(np.column_stack([a, b]))
        assert kappa(a.tolist(), b.tolist()) == pytest.approx(cohens_kappa(table).kappa, abs=1e-12)


def test_kappa_of_a_known_table():
    "50 proposals read by two people: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no gives 0.40, a textbook example."
    assert kappa(["y"] * 25 + ["n"] * 25, ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15) == pytest.approx(.4)


def test_mean_interval_is_student_t(rng):
    for _ in range(100):
        values = rng.normal(size=int(rng.integers(2, 9))); level = float(rng.uniform(.5, .99))
        low, high = student.interval(level, len(values) - 1, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(len(values)))
        assert mean_interval(values, level) == pytest.approx((values.mean(), low, high, len(values)))


def test_paired_bootstrap_agrees_with_the_normal_interval_on_many_items(rng):
    a, b = rng.normal(.3, 1, 5000), rng.normal(0, 1, 5000)
    ours, half = paired_bootstrap(a, b, draws=4000), 1.96 * (a - b).std() / np.sqrt(5000)
    assert ours[:3] == pytest.approx(((a - b).mean(), (a - b).mean() - half, (a - b).mean() + half), abs=.004)
    assert paired_bootstrap(b, a, draws=4000).estimate == pytest.approx(-ours.estimate)


def test_paired_bootstrap_covers(rng):
    hits = 0
    for _ in range(400):
        d = rng.binomial(1, .6, 100) - rng.binomial(1, .5, 100)
        i = paired_bootstrap(d, np.zeros(100), draws=500)
        hits += i.low <= .1 <= i.high
    assert .90 < hits / 400 < .985


def test_paired_shares_is_newcombe_by_counts(rng):
    "The same interval from the four counts, as the paper writes it, with statsmodels' Wilson intervals."
    for n in rng.integers(2, 200, 200):
        a, b = rng.random(n) < rng.random(), rng.random(n) < rng.random()
        both, only_a, only_b, none = (int((x & y).sum()) for x, y in ((a, b), (a, ~b), (~a, b), (~a, ~b)))
        (l1, u1), (l2, u2) = (proportion_confint(k, n, method="wilson") for k in (both + only_a, both + only_b))
        p1, p2, margins = (both + only_a) / n, (both + only_b) / n, (both + only_a) * (only_b + none) * (both + only_b) * (only_a + none)
        phi = (both * none - only_a * only_b) / margins**.5 if margins else 0
        down, up = (((p1 - l1)**2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2)**2)**.5, ((u1 - p1)**2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2)**2)**.5)
        assert np.allclose(paired_shares(a, b), (p1 - p2, p1 - p2 - down, p1 - p2 + up, n))

def test_paired_shares_is_never_certain():
    for n in (1, 3, 50):
        for right in (0, 1): assert paired_shares([right] * n, [right] * n).low < 0 < paired_shares([right] * n, [right] * n).high


def test_seeds_interval_knows_both_kinds_of_luck(rng):
    "With items alike its width is that of the seeds; with seeds alike that of the items."
    items = rng.normal(size=400); seeds = rng.normal(size=6)
    only_items, only_seeds = seeds_interval(np.tile(items, (6, 1))), seeds_interval(np.tile(seeds[:, None], (1, 400)))
    assert (only_items.high - only_items.low) == pytest.approx(2 * 1.96 * items.std() / 20, rel=.1)
    assert only_seeds.low >= seeds.min() and only_seeds.high <= seeds.max() and only_seeds.high > only_seeds.low
    assert seeds_interval(np.tile(items, (6, 1)))[1:3] == pytest.approx(paired_bootstrap(items, 0 * items)[1:3], abs=.02)


def test_the_same_call_gives_the_same_answer(rng):
    a, b = rng.random(50), rng.random(50)
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b) != paired_bootstrap(a, b, seed=1)
    assert isinstance(seeds_interval([a, b]), Interval) and seeds_interval([a, b]) == seeds_interval([a, b])


@pytest.mark.parametrize("call, message", [
    (lambda: wilson(3, 2), "got 3 of 2"), (lambda: wilson(-1, 2), "got -1 of 2"), (lambda: wilson(0, 0), "0 of 0"),
    (lambda: wilson(float("nan"), 2), "got nan"), (lambda: wilson(1, 2, 95), "got 95"), (lambda: sign_test(-1, 2), "got -1"),
    (lambda: sign_test(1.5, 2), "leave ties out"), (lambda: mcnemar(1, -2), ">= 0"), (lambda: sample_size(.5), "there is none"),
    (lambda: sample_size(1.2), "got 1.2"), (lambda: sample_size(.6, power=2), "power"), (lambda: sample_size(.6, alpha=0), "alpha"),
    (lambda: paired_bootstrap([1], [1, 2]), "same items"), (lambda: paired_bootstrap([], []), "a: expected scores"),
    (lambda: paired_bootstrap([1, float("inf")], [1, 2]), "a: a score is missing or infinite, at item 1"),
    (lambda: paired_bootstrap([1, 2], [1, 2], draws=0), "draws"), (lambda: seeds_interval([[1], [1, 2]]), "same number"),
    (lambda: seeds_interval(["a"]), "numbers"), (lambda: seeds_interval([[[1]]]), "got shape"), (lambda: mean_interval([1]), "at least two"),
    (lambda: mean_interval([1, None]), "missing"), (lambda: kappa("ab", "a"), "same items"), (lambda: kappa("", ""), "at least one"),
    (lambda: kappa("aa", "aa"), "undefined"),
])
def test_bad_input_is_a_value_error_that_says_what(call, message):
    with pytest.raises(ValueError, match=message): call()


# ---- the exercises of the lesson

def test_folded_solutions_pass_their_checks(capsys):
    "Each solution folded into the lesson's prose, run on the check that stands above it."
    lesson = Path(__file__).parents[1]/"nbs"/"02_statistics.ipynb"
    if not lesson.exists(): pytest.skip("the lessons are not beside the tests")
    cells = ["".join(cell["source"]) for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]]
    solutions = [cell.split("```python\n")[1].split("```")[0] for cell in cells if "<summary>Solution" in cell]
    assert len(solutions) == 2
    for solution in solutions:
        name = solution.split("(")[0].removeprefix("def ")
        names = dict(vars(statistics), test_fail=lambda *args, **kwargs: None)
        exec(next(cell for cell in cells if f"def check_{name}(" in cell) + "\n" + solution + f"\ncheck_{name}({name})", names)
