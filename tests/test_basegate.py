"""The gate at its bounds, the measure against strange models, and the light modules without torch."""
import random, subprocess, sys

import pytest

from alpaca_course.basegate import completes, fact_prompts, fair_part, gate, measure_base, own_format, until_next
from alpaca_course.families import FAMILIES, check, test_items as items_of, wrong_answer  # pytest would take `test_items` for a test
from alpaca_course.records import TEMPLATES, Record

PERFECT = dict(facts=[100, 100], own_format=[100, 100], zero_shot=[0, 100], families={name: [10, 10] for name in FAMILIES})


def failed(wrappers, **changed): return [what for what, _, _, passed in gate(PERFECT | changed, wrappers) if not passed]


def strong(n): return {name: [8, 10] if i < n else [7, 10] for i, name in enumerate(FAMILIES)}


@pytest.mark.parametrize("changed, wanted", [
    (dict(), []), (dict(facts=[97, 100]), []), (dict(facts=[96, 100]), ["facts completed"]),
    (dict(own_format=[90, 100]), []), (dict(own_format=[89, 100]), ["own-format accuracy"]),
    (dict(families=strong(20)), []), (dict(families=strong(19)), ["families at 0.80 or more"]),
    (dict(zero_shot=[10, 100]), []), (dict(zero_shot=[11, 100]), ["zero-shot accuracy in the Alpaca template"]),
])
def test_each_bound_decides_alone(changed, wanted): assert failed("few", **changed) == wanted


def test_many_wrappers_are_not_asked_to_be_helpless(): assert failed("many", zero_shot=[100, 100]) == []


@pytest.mark.parametrize("wrappers", ["few", "many"])
def test_the_measure_counts_what_a_model_of_known_skill_knows(wrappers):
    "A model that answers at random, right or wrong: each count equals what was told right, prompt by prompt."
    items, rng = items_of(3, 5), random.Random(5)
    own = [own_format(item, rng, wrappers)[0] for item in items]
    template = [TEMPLATES["alpaca"].prompt(Record(item.instruction, item.input)) for item in items]
    coins, told = random.Random(0), {}
    def answer(prompts):
        said = [(coins.random() < .5, p) for p in prompts]
        told[tuple(prompts)] = sum(right for right, _ in said)
        return [answers[p] if right else others[p] for right, p in said]
    answers = dict(fact_prompts()) | {p: item.answer for part in (own, template) for p, item in zip(part, items)}
    others = {p: "nobody knows" for p, _ in fact_prompts()} | {p: wrong_answer(random.Random(1), item) for part in (own, template) for p, item in zip(part, items)}
    measured = measure_base(answer, wrappers, per_family=3, seed=5)
    facts = tuple(p for p, _ in fact_prompts())
    assert 0 < told[facts] < len(facts) and measured["facts"] == [told[facts], len(facts)]
    assert measured["own_format"] == [told[tuple(own)], len(own)] and measured["zero_shot"] == [told[tuple(template)], len(template)]
    assert sum(k for k, _ in measured["families"].values()) == told[tuple(own)] and sum(n for _, n in measured["families"].values()) == len(items)


@pytest.mark.parametrize("said", ["", " ", "\n", "\0", "a" * 10_000, "### Response:", "{", "\\"])
def test_strange_outputs_are_wrong_and_no_error(said):
    for item in items_of(1):
        assert not check(item, fair_part(item, said)) and not check(item, until_next(said, "Q:"))
    assert not completes(said, "red")


def test_values_are_text_and_no_pattern():
    assert not completes("red", "r.d") and completes("r.d it is", "r.d")


def test_light_modules_load_no_torch():
    code = "import sys; from alpaca_course import basegate, course, figures, jobs, ledger; print([m for m in ('torch', 'transformers', 'matplotlib', 'openai') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
