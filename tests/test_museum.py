"""The museum of known bugs: every exhibit's naive form fails on its fixture, and the course's code passes."""
import random

import pytest

from alpaca_course.museum import EXHIBITS, Exhibit, exhibit, museum_table, naive_parse, our_parse, outcome, plot_museum, verdicts

PARSER_EXHIBITS = [e for e in EXHIBITS.values() if e.ours is our_parse]


@pytest.mark.parametrize('name', EXHIBITS)
def test_naive_form_fails(name):
    shown = EXHIBITS[name]
    assert outcome(shown.naive, shown.fixture) != shown.wanted

@pytest.mark.parametrize('name', EXHIBITS)
def test_ours_passes(name):
    shown = EXHIBITS[name]
    assert outcome(shown.ours, shown.fixture) == shown.wanted

def test_the_defects_of_the_published_pipelines_are_all_here():
    wanted = '''stop_at_20 hash_in_output short_separator label_inside skipped_number other_cut dropped_whole capitalised no_input_spellings no_input_answer twins wrong_side
        replayed_chance set_sample bad_key torn_state reply_lost guessed_score nothing_to_learn minus_two rows_without_an_end'''.split()
    assert sorted(EXHIBITS) == sorted(wanted)

def test_each_exhibit_says_where_and_what():
    for e in EXHIBITS.values():
        assert '/' in e.source.split(':')[0] and ':' in e.source, e.id
        assert len(e.happened) > 20 and e.name and e.id == e.naive.__name__
    assert len({e.name for e in EXHIBITS.values()}) == len(EXHIBITS)

def test_naive_forms_work_on_what_their_authors_had_in_mind():
    "A naive form that fails on everything would show nothing."
    plain = (' Name a lake.\n4. Input: <noinput>\n4. Output: como\n###\n5. Instruction: Add.\n5. Input: 2 3\n5. Output: 5', 'stop')
    for e in PARSER_EXHIBITS: assert outcome(e.naive, plain) == our_parse(plain), e.id
    assert EXHIBITS['twins'].naive(['Sing a song.', 'Name a lake.']) == ['Sing a song.', 'Name a lake.']
    assert EXHIBITS['wrong_side'].naive(['Name a lake.']) == ['Name a lake.']
    assert EXHIBITS['no_input_spellings'].naive(['<noinput>', 'a b']) == ['', 'a b']
    assert EXHIBITS['stop_at_20'].naive(' Name a lake.\n4. Input: <noinput>\n4. Output: como') == [('Name a lake.', '', 'como')]
    assert EXHIBITS['guessed_score'].naive(['[[B]]']) == ['B']
    assert EXHIBITS['nothing_to_learn'].naive([((1,), (2,))]) == EXHIBITS['nothing_to_learn'].ours([((1,), (2,))])
    assert EXHIBITS['replayed_chance'].naive(2) == 1 and EXHIBITS['replayed_chance'].ours(2) == 2

def test_parsers_agree_on_random_plain_lists():
    rng = random.Random(0)
    word = lambda: ''.join(rng.choices('abcdefgh', k=rng.randrange(2, 7)))
    for _ in range(200):
        tasks = [(f'{word().capitalize()} the {word()} and {word()}.', rng.choice(['', f'{word()} {word()}']), f'{word()} {word()}.') for _ in range(rng.randrange(1, 6))]
        text = '\n###\n'.join(f'{n}. Instruction: {a}\n{n}. Input: {b or "<noinput>"}\n{n}. Output: {c}' for n, (a, b, c) in enumerate(tasks, 4)).removeprefix('4. Instruction:')
        assert naive_parse((text, 'stop')) == our_parse((text, 'stop')) == [t for t in tasks if t[1] != t[2]]

def test_any_text_in_place_of_the_heading():
    "What ours makes of outputs that hold separators of any kind: the text comes back whole."
    for inside in ['### Title', '## 2. Part', '---', '#', '#### deep', 'Input: none', '20. and 2020.', '1. one\n2. two', '```\n### code\n```']:
        output = f'Dear all,\n{inside}\nthe end.'
        reply = (f' Write it.\n4. Input: <noinput>\n4. Output: {output}\n###\n5. Instruction: Add.\n5. Input: 2 3\n5. Output: 5', 'stop')
        assert our_parse(reply) == [('Write it.', '', output), ('Add.', '2 3', '5')], inside

def test_an_exception_is_an_outcome_and_ids_are_unique():
    assert outcome(lambda x: 1 / x, 0) == 'ZeroDivisionError: division by zero'
    assert verdicts(Exhibit('a', '', '', '', 1, 1, lambda x: x, lambda x: x / 0)) == (True, False)
    with pytest.raises(ValueError, match="already"): exhibit('again', '', '', 0, 0, int)(EXHIBITS['twins'].naive)

def test_table_and_picture():
    import matplotlib
    matplotlib.use('Agg')
    rows = museum_table()
    assert [row[2:] for row in rows] == [(False, True)] * len(EXHIBITS)
    axes = plot_museum(rows)
    assert [t.get_text() for t in axes.get_yticklabels()] == [e.name for e in EXHIBITS.values()]
    assert sum(t.get_text() == 'passes' for t in axes.texts) == len(rows)

def test_importing_the_museum_loads_no_torch():
    import subprocess, sys
    code = 'import sys, alpaca_course.museum; print("torch" in sys.modules, "matplotlib" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == 'False False'
