"""Cleaning: each rule finds its example and spares look-alikes, sound records survive, hostile ones are judged quickly, and files lose nothing."""
import json, random, re
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest

from alpaca_course.cleaning import REPAIRS, Cleaner, clean_file, clean_score, read_labels, record_hash, score_rules, summary
from alpaca_course.cleanrules import CLEANING, agrees, asked_sum, chain_value, clean_rule, false_equation, repaired, word_limits
from alpaca_course.families import draw_item
from alpaca_course.records import Record, RecordError, read_records
from alpaca_course.scripted import CLEAN, answer_item
from alpaca_course.statistics import wilson
from alpaca_course.tasks import FAMILIES

def found(*texts): return [rule.id for rule in CLEANING.values() if rule(Record(*texts))]

FINDS = {
    'empty': [('Name a lake.', '', ''), ('', '', 'Como'), ('Name a lake.', '', '\n\t')],
    'no_output': [('Draw it.', '', '<nooutput>'), ('Draw it.', 'x', 'No output'), ('Draw it.', '', 'no output required.'), ('Sing.', 'x', '<noinput>'), ('Sing.', '',
    '[No response: this is a picture.]')],
    'output_is_input': [('Write a query.', 'SELECT all FROM lakes;', 'SELECT all FROM lakes;')],
    'merged_tasks': [('Name a lake.', '', 'Como\n##\nNext'), ('Name a lake.', '', 'Como 7. Instruction: Sing.'), ('Name a lake.\n12. Output: x', '', 'Como'), ('Name a lake.',
    '', 'Como\n### 6.\nSing')],
    'prompt_leak': [('Sing.', '', 'la\n### Response:\nlo'), ('Below is an instruction that describes a task. Sing.', '', 'la')],
    'cut_at_20': [('Draw the years.', '', 'A chart of 1990-20'), ('How many?', '', 'The town has about nine thousand people as of 20'), ('When?', '',
    'The bridge was opened for traffic on 3 May 20')],
    'unfinished': [('Solve 4(2+3).', '', 'The value of the expression is'), ('Tell it.', '', 'The lake was large and full of')],
    'ends_with_colon': [('List lakes.', '', 'Here are three lakes:')],
    'broken_fence': [('Write a loop.', '', 'Here:\n```\nfor i in x: pass'), ('Write.', '', '```a\n```\n```')],
    'unseen_input': [('Edit this photo.', '(Link to photo)', 'Done.'), ('Sum it up.', '[Insert article]', 'It says much.'), ('Visit it.', 'https://www.example.com',
    'A page.'), ('Analyse.', '[Data table]', 'It grows.')],
    'missing_material': [('Summarise the following article.', '', 'It is about lakes.'), ('Write a program that prints the following pattern:', '', 'print("*")')],
    'needs_tools': [('Search the internet for a lake.', '', 'Como'), ('Download a sheet and add it up.', '', '5'), ('Find a restaurant nearby.', '', 'La Riva'),
    ('Visit the given page and sum it up.', 'x', 'y')],
    'picture_output': [('Draw a board.', '', '![Board](https://example.com/b.png)'), ('Make a cloud.', 'lakes', '<IMG src="x.png">')],
    'excuse': [('What is shown?', '', "I'm sorry, I cannot see the image."), ('Read it aloud.', 'x', 'Sorry, audio is not possible.'), ('Sum it up.', '',
    'Unfortunately, no text was provided.')],
    'speaks_of_itself': [('Name a good lake.', '', 'As an AI language model, I cannot have one.'), ('Tell a joke.', '', "I'm just an AI model, but here is one.")],
    'garbled': [('Name a cafÃ©.', '', 'x'), ('Name it.', '', 'itâ€™s'), ('Name it.', '\ufffd', 'x'), ('Name it.', '', 'bell\x07')],
    'other_script': [('Name a big river.', '', 'Волга, самая длинная река Европы'),
        ('Name a big river.', '', '长江是亚洲最长的河流也是世界上第三长的河流长度约为六千公里')],
    'false_equation': [('Add.', '17 and 26', '17 + 26 = 44'), ('Add.', '', 'So 1,000 + 1 = 1,002.'), ('Pay.', '', '$5 * 3 = $16'), ('Add.', '', '7 / 2 = 3.6'), ('Add.', '',
    '2 + 3 * 4 = 20')],
    'wrong_sum': [('Divide 15 by 3.', '', '5.0667'), ('What is 17 + 26?', '', 'It is 44.'), ('Find the product of the numbers: 6 and 7.', '', '41'), ('Subtract 4 from 9.',
    '', '4'), ('Calculate the sum of', '8+5', '14')],
    'word_limit': [('Explain it in 5 words.', '', 'one two three four five six seven eight nine ten eleven'), ('Write at least twenty words.', '', 'too short'),
    ('In 10 words or less, explain.', '', 'word ' * 14)],
}

SPARES = [
    ('Name a lake.', '', '0'), ('Which one?', 'a b', 'None'), ('Which country?', 'x', 'N/A is for Namibia'), ('What does it print?', 'pass',
    'No output is printed, since nothing is called.'),
    ('Correct the sentence.', 'The lake is very deep.', 'The lake is very deep.'), ('Sort the words.', 'ant bee cat dog', 'ant bee cat dog'),
    ('Select the sentences with a verb.', 'I go. You go. We go.', 'I go. You go. We go.'), ('Repeat.', 'go', 'go'),
    ('Outline it.', '', '## 1. Ice\ntext\n## 2. Lake\ntext'), ('Write Markdown.', '', '# A\n\n## B\n\n### C\n\ntext'), ('Explain forms.', '',
    'Input: a number. Output: its double.'),
    ('Count by tens.', '10', '20'), ('How many are there in all of them?', '', 'I have counted them twice and there are 20'), ('When?', '',
    'The bridge was opened to all traffic in May 2020'), ('How long?', '', 'The walk takes you from 15 to 20'),
    ('Sort by length.', '', 'a, an, the, of'), ('Name a preposition.', '', 'of'), ('Finish it.', '', 'cat is what it looks as'), ('Tweet.', '', 'The lake is open! #swim #fun'),
    ('Begin a block.', '', 'for lake in lakes:'), ('Name the sign before a list.', '', ':'), ('Continue.', 'Person A: Are you hungry?\nPerson B:', 'Yes.'),
    ('Write a loop.', '', '```\nx\n```'), ('Name the sign.', '', 'Use ``` to begin a block.'),
    ('Extract the domain.', 'https://example.com/a', 'example.com'), ('Is this URL valid?', 'https://example.com', 'Yes.'), ('Classify the website.', 'https://example.com/',
    'Example page'), ('Sum up.', '[1, 2, 3]', '6'),
    ('Describe it.', '[photo of a person walking in the woods]', 'A walk.'), ('Find the median.', '(3, 5, 7)', '5'), ('Fix the tag.', '<article>text', '<article>text</article>'),
    ('Summarise the following text: Ice made lakes.', '', 'Ice.'), ('Rewrite the following sentence: "I go."', '', 'I walk.'),
    ('Write a function that takes the following list and sorts it.', '', 'sorted'), ('Is the following statement true? Ice is cold.', '', 'Yes.'),
    ('Write a tweet that says the following: "It is new":', '', 'New!'), ('Begin a story in a dark wood:', '', 'It was dark.'), ('Sort the following words.', 'b a', 'a b'),
    ('How do I search the web?', '', 'Open a browser.'), ('Explain why people download music.', '', 'It is easy.'), ('Find the nearest prime to 10.', '', '11'),
    ('Look up at the sky and describe it.', '', 'Blue.'),
    ('Write an image tag in HTML.', '', '<img src="a.png">'), ('Show a picture in Markdown.', '', '![a](a.png)'),
    ('Write a reply to a customer who sent no photo.', '', "I'm sorry, no photo was attached."), ('Apologise.', '', 'I am sorry for being late.'), ('Who is Mimo?', '',
    'I do not know.'), ('How do I steal a boat?', '', 'I cannot help with that.'),
    ('Are you a person?', '', 'No, as an AI language model, I am not.'), ('What is an AI model?', '', 'A program. I am an AI model.'), ('Name a job.', '',
    'As an assistant, my day begins early.'),
    ('Name a town.', '', 'SÃO PAULO'), ('Name a café.', '', 'Café “Größe” – it’s fine… 5 €'), ('Translate into Russian.', 'Hello, my dear friends',
    'Здравствуйте, дорогие друзья'), ('What is the first Greek letter?', '', 'α'),
    ('Add.', '', '17 + 26 = 43'), ('Halve.', '', '7 / 2 = 3.5'), ('Third.', '', '10 / 3 = 3.33'), ('Add.', '', 'x + 2 = 5'), ('Add.', '', '2x + 3 = 7'), ('Add.', '',
    '(1 + 2) * 3 = 9'), ('Add in binary.', '', '1 + 1 = 10'),
    ('Divide.', '', '10 / 3 = 3 remainder 1'), ('Take off.', '', '100 - 20% = 80'), ('Add.', '', '3 + 4 + 8 = 15'), ('Date.', '', '10/12 = October'), ('Clock.', '',
    '11 + 3 = 2'), ('Score.', '', 'It ended 3-1'), ('Add.', '', '2^2 + 1 = 5'),
    ('Add.', '', '2 + 5 * 4 = 22'), ('What is 7 / 2?', '', '3 1/2'), ('What is 7 / 2?', '', 'three and a half'), ('What is 10 / 3?', '', 'about 3.3'), ('Who won, 3 - 1?', '',
    'Roma, with 3 goals'), ('Subtract 9 from 4.', '', '-5'), ('Add 5 items to a list.', '', '1. Milk'),
    ('Divide 887 by 3 using Python.', '', 'print(887 / 3)'), ('Write a 50-word story.', '', 'word ' * 60), ('Write at most 50 words.', '', 'word ' * 52),
    ('Give five words each for two lakes.', '', 'word ' * 30), ('Write no less than 5 words.', '', 'word ' * 40),
    ('Merge the two words.', 'a b', 'ab'), ('Give ten five-word sentences.', '', 'word ' * 50),
]

@pytest.mark.parametrize('rule', CLEANING)
def test_rule_finds_its_example_and_spares_its_look_alike(rule):
    assert CLEANING[rule](CLEANING[rule].bad) and not CLEANING[rule](CLEANING[rule].spared)
    assert found(*vars(CLEANING[rule].spared).values()) == []
    for texts in FINDS[rule]: assert rule in found(*texts), texts

def test_every_rule_has_examples(): assert set(FINDS) == set(CLEANING) and len(CLEANING) == 20

@pytest.mark.parametrize('texts', SPARES, ids=lambda t: t[0][:30])
def test_look_alikes_are_spared(texts):
    assert found(*texts) == []


def test_sound_records_of_the_micro_world_survive():
    rng, changed, styled = random.Random(7), [], replace(CLEAN, style=.3)
    for n in range(500):
        item = draw_item(rng, list(FAMILIES)[n % len(FAMILIES)], split='wide', framed=rng.random() < .5)
        record = Record(item.instruction, item.input, answer_item(rng, item, styled))
        if repaired(record) != record or found(item.instruction, item.input, record.output): changed.append(record)
    assert changed == []


# ---- repairs and repeated tasks
@pytest.mark.parametrize('text', ['No input', 'noinput', '<noinput>', '\\<noinput\\>', '< noinput >', 'No input required.', 'N/A', '<none>', 'None.', '(no input)',
    'Not applicable'])
def test_spellings_of_no_input_are_emptied_and_nothing_else(text):
    record = Record('Sing.', text, 'la', 'me', 'mine')
    assert repaired(record) == replace(record, input='')
    verdict = Cleaner()(record)
    assert verdict['rule'] == 'no_input_spelling' and verdict['record'] == replace(record, input='')

@pytest.mark.parametrize('text', ['', ' ', 'None of us is old.', 'nones', 'No input device was found', 'no inputs', 'Nil desperandum', 'empty box', '...', 'n', '0'])
def test_other_inputs_stay(text): assert repaired(Record('Sing.', text, 'la')).input == text

def test_a_word_that_is_the_subject_stays():
    for task in ['Give the opposite of the word.', 'Translate this into German.', 'Spell it.']: assert repaired(Record(task, 'empty', 'x')).input == 'empty'
    assert repaired(Record('Sum up the poem.', 'a poem\n\nNoinput', 'x')).input == 'a poem'
    assert repaired(Record('Sum up.', 'x' * 500 + '\nno input', 'x')).input == 'x' * 500

def test_a_rejected_record_does_not_stand_in_the_way_of_a_sound_one():
    cleaner = Cleaner()
    assert [v and v['rule'] for v in map(cleaner, [Record('Add.', '2 3', ''), Record('Add.', '2 3', '5'), Record('Add. ', '2  3', '5'), Record('Add.', '2 3',
        'five')])] == ['empty', None, 'duplicate', 'second_output']
    assert cleaner.counts.total() == 3

def test_repaired_and_plain_form_of_a_task_are_the_same_task():
    cleaner = Cleaner()
    assert cleaner(Record('Sing.', '', 'la')) is None and cleaner(Record('Sing.', 'No input', 'la'))['rule'] == 'duplicate'

def test_rule_names_are_unique():
    with pytest.raises(ValueError, match='already'): clean_rule('again', Record('a'), Record('b'))(CLEANING['empty'].finds)


# ---- numbers
def test_chains_agree_with_python():
    rng = random.Random(3)
    for _ in range(1000):
        chain = ' '.join([str(rng.randrange(1, 50))] + [f'{rng.choice("+-*/")} {rng.randrange(1, 50)}' for _ in range(rng.randrange(1, 6))])
        value = chain_value(chain)
        assert abs(float(value) - eval(chain)) < 1e-9
        shown = f'{float(value):.4f}'
        assert not false_equation(Record('a', '', f'{chain} = {shown}')) and false_equation(Record('a', '', f'{chain} = {float(value) + 1:.4f}'))

def test_numbers_that_are_too_long_or_not_plain_never_crash():
    for text in ['9' * 6000 + ' + 1 = 2', '1 / 0 = 5', '1.2.3 + 4 = 5', '٣ + ٤ = ٩', '1,2,3 + 4 = 5', '0 * ' * 500 + '1 = 0', '$$5 + 5 = $$10', 'in ' + '9' * 6000 + ' words']:
        found(text, '', text)
    assert chain_value('5 / 0 + 1') is None and asked_sum('What is 5 / 0?') is None

def test_agreement_of_rounded_numbers():
    assert agrees('0.33', Fraction(1, 3)) and agrees('0.34', Fraction(1, 3)) and not agrees('0.35', Fraction(1, 3)) and not agrees('6', Fraction(5)) and agrees('5.0', Fraction(5))

def test_word_limits_of_many_forms():
    for text, limits in [('Use fewer than 10 words.', (0, 11)), ('no fewer than ten words', (9, float('inf'))), ('between five and ten words', (0, float('inf'))),
        ('in 3 to 5 words', (0, float('inf')))]:
        assert word_limits(text) == pytest.approx(limits), text


# ---- hostile records and files
@pytest.mark.parametrize('text', ['a' * 300_000, ' ' * 300_000 + 'a', '(' * 300_000, '1+' * 150_000, '1 + ' * 75_000 + '1 = 2', '1 ' * 150_000, '1,111' * 60_000,
    '[link ' * 50_000, '<' * 300_000, '#' * 300_000, '##\n' * 100_000,
    '```\n' * 75_000, 'the following text ' * 15_000, 'in 5 words ' * 30_000, '![' * 150_000, 'as an ai ' * 40_000, 'no input ' * 40_000, '\n' * 300_000 + 'no input',
    'search ' * 50_000, '1. Instruction' * 20_000,
    '$1 - ' * 60_000, 'sum of ' * 40_000, 'what is ' * 40_000, '\u202e' * 100_000, '20' * 150_000], ids=lambda t: repr(t[:12]))
def test_long_nonsense_is_judged(text):
    "Quadratic work on 300,000 characters would take hours."
    for record in (Record(text, '', 'x'), Record('Sing.', text, 'x'), Record('Sing.', '', text), Record(text, text, text)):
        verdict = Cleaner()(record)
        assert verdict is None or verdict['rule']

def test_random_mutilation_never_crashes():
    rng, parts = random.Random(0), ['No input', '##\n', '12. Output: ', 'https://', '(link)', ' 2 + 2 = 5', 'in 20', '```', 'As an AI model, I', 'Ã©', '\x07', 'ж' * 30,
    'the following text', ' in 5 words', ':', '', ' ', '\n', '=', '÷ 0', 'Divide 5 by 0']
    cleaner = Cleaner()
    for _ in range(3000):
        verdict = cleaner(Record(*(''.join(rng.choices(parts, k=rng.randrange(5))) for _ in range(3))))
        assert verdict is None or verdict['rule'] in {*CLEANING, 'duplicate', 'second_output', *REPAIRS}
    assert len(cleaner.counts) > 12

def test_a_file_with_everything_wrong_loses_nothing(tmp_path):
    good = [{'instruction': f'Say {n}.', 'output': f'It is {n}.', 'id': n} for n in range(50)]
    lines = [json.dumps(row).encode() for row in good] + [b'{broken', b'[1]', b'{"instruction": "a"}', b'{"instruction": "a", "output": 5}', b'\xff\xfe', b'',
    json.dumps(good[0]).encode(),
        json.dumps({'instruction': 'Sing.', 'input': 'No Input', 'output': 'la'}).encode(), json.dumps({'instruction': 'Sing!', 'output': ''}).encode(),
        b'{"instruction": "a\\u0000", "output": "b"}', b'{"instruction": "\\ud800", "output": "b"}',
        b'[' * 5000, b'{"instruction": "a", "output": "b", "output": "c"}']
    (tmp_path/'in.jsonl').write_bytes(b'\n'.join(lines))
    counts = clean_file(tmp_path/'in.jsonl', tmp_path/'k.jsonl', tmp_path/'r.jsonl')
    rejects = [json.loads(line) for line in (tmp_path/'r.jsonl').read_text().splitlines()]
    kept = read_records(tmp_path/'k.jsonl')
    assert counts['kept'] == len(kept) == 51 and counts['duplicate'] == counts['empty'] == counts['no_input_spelling'] == 1
    assert len(kept) + len(rejects) - counts['no_input_spelling'] == len([line for line in lines if line])
    assert Counter(row['rule'] for row in rejects) == Counter({rule: n for rule, n in counts.items() if rule != 'kept'})
    assert {row['line'] for row in rejects} >= {51, 52, 53, 54, 55, 57, 58, 59}
    repair, = [row for row in rejects if row['rule'] == 'no_input_spelling']
    assert repair['record']['input'] == 'No Input' and kept[-1] == Record('Sing.', '', 'la')

def test_lists_and_lines_give_the_same(tmp_path):
    rows = [{'instruction': 'Sing.', 'input': 'none', 'output': 'la'}, {'instruction': 'Draw.', 'input': '', 'output': '<nooutput>'}, {'instruction': 'Add.', 'input': '2 3',
    'output': '5'}]
    (tmp_path/'a.json').write_text(json.dumps(rows)); (tmp_path/'a.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    both = [clean_file(tmp_path/name, tmp_path/f'k{i}.json', tmp_path/'r.jsonl') for i, name in enumerate(['a.json', 'a.jsonl'])]
    assert both[0] == both[1] == Counter(kept=2, no_input_spelling=1, no_output=1)
    assert read_records(tmp_path/'k0.json') == read_records(tmp_path/'k1.json')
    assert summary(both[0]).splitlines() == ['2 kept, of which 1 repaired; 1 rejected', '      1  no_input_spelling', '      1  no_output']

def test_clean_again_and_nothing_is_left_to_do(tmp_path):
    rows = [CLEANING[rule].bad for rule in CLEANING] + [CLEANING[rule].spared for rule in CLEANING] + [Record('Sing.', 'No input', 'la')]
    (tmp_path/'in.jsonl').write_text('\n'.join(json.dumps(vars(r)) for r in rows))
    clean_file(tmp_path/'in.jsonl', tmp_path/'a.jsonl', tmp_path/'r.jsonl')
    assert clean_file(tmp_path/'a.jsonl', tmp_path/'b.jsonl', tmp_path/'r2.jsonl') == Counter(kept=len(read_records(tmp_path/'a.jsonl')))
    assert (tmp_path/'a.jsonl').read_bytes() == (tmp_path/'b.jsonl').read_bytes() and (tmp_path/'r2.jsonl').read_bytes() == b''

def test_errors_leave_no_file(tmp_path):
    (tmp_path/'empty.jsonl').write_text('')
    for path in ['none.jsonl', 'empty.jsonl']:
        with pytest.raises(RecordError): clean_file(tmp_path/path, tmp_path/'k.jsonl', tmp_path/'r.jsonl')
    (tmp_path/'in.jsonl').write_text('{"instruction": "a", "output": "b"}\n')
    with pytest.raises(RecordError): clean_file(tmp_path/'in.jsonl', tmp_path/'in.jsonl', tmp_path/'r.jsonl')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['empty.jsonl', 'in.jsonl']


# ---- score
def test_scores_by_hand():
    score = clean_score(['', 'a', 'a', 'b', ''], [True, True, False, False, False])
    assert (score.precision, score.recall) == (wilson(1, 2), wilson(1, 3)) and score.kinds == {'a': wilson(1, 2), 'b': wilson(0, 1)}
    assert clean_score([''], [False]) == (None, None, {})

def test_score_of_a_labelled_file(tmp_path):
    rows = [Record('Sing.', '', ''), Record('Add.', '2 3', '5'), Record('Add up.', '2 3', '6'), Record('Draw.', '', '<nooutput>')]
    (tmp_path/'in.jsonl').write_text('\n'.join(json.dumps(vars(r)) for r in rows))
    labels = [dict(record=record_hash(r), kind=kind, sample=sample) for r, kind, sample in zip(rows, ['empty', '', 'wrong', 'empty'], ['random'] * 3 + ['mixed'])]
    (tmp_path/'labels.jsonl').write_text('\n'.join(map(json.dumps, labels)))
    score = score_rules(tmp_path/'in.jsonl', read_labels(tmp_path/'labels.jsonl'))
    assert score.precision == wilson(2, 2) and score.recall == wilson(1, 2) and set(score.kinds) == {'empty', 'wrong'}
    (tmp_path/'short.jsonl').write_text(json.dumps(vars(rows[0])))
    with pytest.raises(ValueError, match='3 of 4 labelled records are not in this file'): score_rules(tmp_path/'short.jsonl', read_labels(tmp_path/'labels.jsonl'))
    (tmp_path/'twice.jsonl').write_text('\n'.join([json.dumps(labels[0])] * 2))
    with pytest.raises(ValueError, match='is labelled 2 times'): read_labels(tmp_path/'twice.jsonl')
    for text in ['5', '{"record": "a"}', '{broken', '', '[' * 5000]:
        (tmp_path/'bad.jsonl').write_text(text)
        with pytest.raises(RecordError, match='line 1'): read_labels(tmp_path/'bad.jsonl')

def test_the_shipped_labels_hold_no_text():
    from pathlib import Path
    labels = read_labels(Path(__file__).parent.parent/'data'/'cleaning_labels.jsonl')
    rows = list(labels.values())
    assert Counter(row['sample'] for row in rows) == {'random': 200, 'mixed': 70}
    for row in rows:
        assert set(row) == {'record', 'sample', 'label', 'kind', 'verdict'} and re.fullmatch('[0-9a-f]{12}', row['record'])
        assert (row['label'] == 'defective') == (row['kind'] != '') and row['verdict'] in {'', *CLEANING, *REPAIRS}
    assert sum(row['verdict'] != '' for row in rows if row['sample'] == 'mixed') == 35
