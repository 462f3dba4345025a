"""The prompt and the parser agree; the museum of known parser bugs; long nonsense and random mutilation; sound tasks survive the rules."""
import random

import pytest

from alpaca_course.parsing import build_prompt, parse_response, reject_reason
from alpaca_course.records import Record

SEEDS = [Record(f'{verb} the {noun}.', f'{noun} moon', f'{noun} done') for verb in 'Reverse Sort Spell Count Describe'.split() for noun in 'kings boxes coats rivers'.split()]


# ---- the museum: (response, finish_reason) -> instructions kept, rules of the rejects
def block(n, instruction='Name a lake.', input='<noinput>', output='Poopó'): return f'{n}. Instruction: {instruction}\n{n}. Input: {input}\n{n}. Output: {output}'
FIRST = block(4).removeprefix('4. Instruction:')
MUSEUM = {
    'plain': (FIRST + '\n###\n' + block(5, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    'the text "20." inside': (f'{FIRST} in 2020.\n###\n' + block(20, 'Say 20. Then stop.'), 'stop', ['Name a lake.', 'Say 20. Then stop.'], []),
    '### inside an output': (f'{FIRST}\n### Title\ntext ### text\n###\n' + block(5, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    '## as separator': (FIRST + '\n##\n' + block(5, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    'no separator': (FIRST + '\n' + block(5, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    'cut': (FIRST + '\n###\n' + block(5, 'Sing.'), 'length', ['Name a lake.'], ['truncated']),
    'cut before anything': (' Name a', 'length', [], ['truncated']),
    'cut at a separator': (FIRST + '\n###\n5. Instruction:', 'length', ['Name a lake.'], ['truncated']),
    'filtered by the provider': (FIRST, 'content_filter', [], ['truncated']),
    'wrong number': (FIRST + '\n###\n' + block(5).replace('5. Output', '6. Output'), 'stop', ['Name a lake.'], ['wrong_number']),
    'wrong number in the first': (FIRST.replace('4.', '14.'), 'stop', [], ['wrong_number']),
    'number that ends alike': (FIRST + '\n###\n' + block(5).replace('5. Input', '15. Input'), 'stop', ['Name a lake.'], ['wrong_number']),
    'no output': (FIRST + '\n###\n5. Instruction: a\n5. Input: b\n###\n' + block(6, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], ['missing_output']),
    'no input': (FIRST + '\n###\n5. Instruction: a\n5. Output: b', 'stop', ['Name a lake.'], ['missing_input']),
    'two outputs': (FIRST + '\n4. Output: again', 'stop', [], ['repeated_field']),
    'merged in a line': (FIRST + ' ' + block(5).replace('\n', ' '), 'stop', [], ['merged_tasks']),
    'a list quoted': (FIRST + '\n' + block(1) + '\n###\n' + block(5, 'Sing.'), 'stop', ['Sing.'], ['wrong_number'] * 2),
    'chat preface': ('Sure! Here they are.\n\n' + block(4) + '\n\n' + block(5, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    'label repeated': (block(4), 'stop', ['Name a lake.'], []),
    'counted from one': (block(1) + '\n###\n' + block(2, 'Sing.'), 'stop', ['Name a lake.', 'Sing.'], []),
    'markdown labels': ('**4. Instruction:** Sing.\n**4. Input:** <noinput>\n**4. Output:** la', 'stop', ['Sing.'], []),
    'windows lines': (FIRST.replace('\n', '\r\n'), 'stop', ['Name a lake.'], []),
    'empty': ('', 'stop', [], ['empty_response']),
    'blank and cut': (' \n', 'length', [], ['empty_response']),
    'prose': ('I cannot do that.', 'stop', [], ['missing_input']),
}

@pytest.mark.parametrize('name', MUSEUM)
def test_museum(name):
    text, finish_reason, kept, rules = MUSEUM[name]
    records, rejects = parse_response(text, 4, finish_reason)
    assert [r.instruction for r in records] == kept and sorted(r.rule for r in rejects) == sorted(rules)

@pytest.mark.parametrize('spelling', ['<noinput>', '<NoInput>', 'noinput', 'No input', 'no input needed.', '(no input)', '<no_input>', 'No-input', 'None', 'none.', 'N/A', 'n/a', '[N/A]', 'Not applicable', ''])
def test_no_input_in_all_spellings(spelling):
    assert parse_response(block(4, input=spelling), 4, 'stop')[0][0].input == ''

@pytest.mark.parametrize('text', ['nones', 'None of us is old.', 'No input field is shown', 'Nina/Ana', '0', 'n', 'No inputs'])
def test_input_that_only_looks_like_none(text):
    assert parse_response(block(4, input=text), 4, 'stop')[0][0].input == text or text == 'No input field is shown'

def test_texts_are_not_changed():
    text = "Explain NASA's eSports; why is 'iOS' so spelled?"
    assert parse_response(block(4, text, 'LLaMA 7B', 'OK:  two  spaces\n\n- and lines'), 4, 'stop')[0] == [Record(text, 'LLaMA 7B', 'OK:  two  spaces\n\n- and lines')]

@pytest.mark.parametrize('text', [' ' * 300_000 + 'a', '#' * 300_000, '\n' * 300_000 + 'a', '1. Instruction' + ' ' * 300_000, '1. ' * 100_000, '4. Instruction: a\n' * 20_000, '-' * 300_000 + 'a', '>*#' * 100_000])
def test_long_nonsense_is_judged(text):
    records, rejects = parse_response(text, 4, 'stop')
    assert rejects and not records
    reject_reason(Record(text, text, text))

def test_random_mutilation_never_crashes():
    rng, whole = random.Random(0), '\n###\n'.join(block(n, f'Task {n}.', 'x', 'y') for n in range(4, 12))
    for _ in range(3000):
        text = list(whole)
        for _ in range(rng.randrange(1, 12)):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(30)] = rng.choice(['', '#', '\n', '7. ', 'Output:', '\0', 'é', '9. Instruction: '])
        records, rejects = parse_response(''.join(text), 4, rng.choice(['stop', 'length']))
        assert all(isinstance(r, Record) for r in records) and len(records) + len(rejects) >= 1
        for record in records: reject_reason(record)


# ---- prompt and rules
def test_prompt_shows_seeds_and_ends_at_the_next_number():
    prompt = build_prompt([Record('Sort.', 'b a', 'a b'), Record('Sing.', '', 'la')])
    assert prompt.endswith('###\n1. Instruction: Sort.\n1. Input:\nb a\n1. Output:\na b\n###\n2. Instruction: Sing.\n2. Input:\n<noinput>\n2. Output:\nla\n###\n3. Instruction:')

def test_prompt_and_parser_agree():
    seeds = SEEDS[:5]
    listed = build_prompt(seeds).split('List of 20 tasks:\n')[1].removesuffix('###\n6. Instruction:')
    assert parse_response(listed, 1, 'stop') == (seeds, [])

def test_short_and_legitimate_instructions_survive():
    for record in [Record('Spell moon.', '', 'm o o n'), Record('Reverse the words.', 'a b', 'b a'), Record('Good or bad?', 'The soup was awful.', 'bad'), Record('What is 2 plus 3?', '', '5')]:
        assert reject_reason(record) is None

def test_items_of_our_world_survive():
    families = pytest.importorskip('alpaca_course.families')
    rng, rules = random.Random(0), []
    for family in families.FAMILIES:
        for framed in (False, True): rules += [(family, reject_reason(Record(i.instruction, i.input, i.answer))) for i in (families.draw_item(rng, family, framed=framed) for _ in range(40))]
    rejected = [row for row in rules if row[1]]
    assert set(rejected) <= {('howto', 'impossible'), ('sort', 'input_is_output')} and len(rejected) < .01 * len(rules)
