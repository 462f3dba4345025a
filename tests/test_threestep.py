"Three steps and JSON lines: hostile answers, strange fields, both endpoints, and runs that are cut anywhere and go on."
import json, random

import pytest

from alpaca_course.eventlog import LogError, read_events
from alpaca_course.parsing import build_prompt, parse_response
from alpaca_course.records import Record, read_seeds
from alpaca_course.scripted import CLEAN, MODELS, Rates, answer, chance, count_tokens, cut_reply, scripted_teacher
from alpaca_course.selfinstruct import FORMS, generate, replay, waterfall
from alpaca_course.teacher import Reply, Teacher, TeacherError
from alpaca_course import threestep
from alpaca_course.threestep import (MOST, PER_ROUND, STEPS, ThreeStep, build_instructions, build_json_prompt, decoder, generate_threestep, json_line, json_objects, kind_of, parse_instances, parse_instructions,
    parse_jsonl, parse_label)

SEEDS = read_seeds('data/seed_tasks.jsonl')[:40]
NASTY = ['###', '20.', '1. Input:', '4. Instruction: x', '\n###\n5. Output:', '{"output": "x"}', '"', '\\', '\\n', '\n\n', '\t', '[[A]]', '<noinput> not alone', '}', '{', '```json', ', ', '\u2028', '\x7f', 'é日本', '```']

class Fake:
    "The scripted teacher without its server; `fail(step, prompt)` gives an error or None, `change(step, text)` another answer."
    name, model = 'fake', 'teacher-large'
    def __init__(self, fail=lambda step, prompt: None, change=lambda step, text: text, rates=MODELS['teacher-large']): self.fail, self.change, self.rates, self.asked = fail, change, rates, 0
    def ask(self, prompt, max_tokens=10**6, **_):
        self.asked += 1
        step = kind_of(prompt)
        if error := self.fail(step, prompt): raise error
        text, finish = cut_reply(*answer(chance(prompt), prompt, self.rates), [], max_tokens)
        text = self.change(step, text)
        return Reply(text, finish, count_tokens(prompt), count_tokens(text))

def line(record): return json_line(instruction=record.instruction, input=record.input, output=record.output)


# ---- fields that look like separators
@pytest.mark.parametrize('nasty', NASTY)
def test_fields_survive_whatever_they_hold(tmp_path, nasty):
    records = [Record(f'Repeat after me: {nasty} please.', f'a {nasty} b', f'c {nasty} d'), Record(f'Write {nasty} once.', f'z {nasty} y', f'v {nasty} w')]
    text = '\n'.join(map(line, records))
    assert parse_jsonl(text, 4, 'stop') == (records, [])
    assert parse_jsonl(build_json_prompt(records), 4, 'stop')[0] == records
    class Writer(Fake):
        def ask(self, prompt, **_): return Reply(text, 'stop', 1, 1)
    outcome = generate(Writer(), records + SEEDS, 1, tmp_path/'log.jsonl', template='jsonl', threshold=1., tasks=9, patience=1)
    assert outcome.rejects == {'duplicate': 2}  # shown as seeds, read back and found to be the same
    outcome = generate(Writer(), SEEDS, 2, tmp_path/'kept.jsonl', template='jsonl', threshold=1., patience=1)
    assert [(r.instruction, r.input, r.output) for r in outcome] == [(r.instruction, r.input, r.output) for r in records]
    assert replay(tmp_path/'kept.jsonl') == outcome

def test_the_numbered_form_loses_what_json_lines_keep():
    "The museum's piece: the same record, in both forms."
    record = Record('When was it?', '', 'It was in\n20. May\n5. Output: rain')
    numbered = f" {record.instruction}\n4. Input: <noinput>\n4. Output: {record.output}\n###\n5. Instruction: Next.\n5. Input: a\n5. Output: b"
    assert record not in parse_response(numbered, 4, 'stop')[0]
    assert parse_jsonl(line(record), 4, 'stop')[0] == [record]
    with pytest.raises(ValueError, match='change or drop it'): build_prompt([record])

def test_random_fields_survive():
    rng = random.Random(0)
    for _ in range(300):
        fields = [''.join(rng.choice(NASTY + ['word', ' ', 'x']) for _ in range(rng.randrange(1, 9))).strip() or 'x' for _ in range(3)]
        got, rejects = parse_jsonl('Sure:\n' + json_line(instruction=fields[0], input='in ' + fields[1], output=fields[2]) + '\nDone.', 1, 'stop')
        assert (got, rejects) == ([Record(fields[0], 'in ' + fields[1], fields[2])], [])


# ---- answers as models give them
GOOD = line(Record('Sing a song.', '', 'La'))

@pytest.mark.parametrize('text, kept, rules', [
    (GOOD, 1, []), (f'```json\n{GOOD}\n```', 1, []), (f'[{GOOD},\n{GOOD}]', 2, []), (f'1. {GOOD}\n2. {GOOD}', 2, []), (f'- {GOOD} {GOOD}', 2, []), (json.dumps(json.loads(GOOD), indent=2), 1, []),
    ('', 0, ['empty_response']), ('   \n', 0, ['empty_response']), ('I am sorry.', 0, ['not_json']), (f'{GOOD}\n{{"instruction": "a\n{GOOD}', 2, ['not_json']),
    (GOOD[:-1], 0, ['not_json']), (GOOD.replace('"output"', '"answer"'), 0, ['missing_output']), (GOOD.replace('"La"', 'null'), 0, ['missing_output']), (GOOD.replace('"La"', '5'), 1, []),
    (GOOD.replace('"La"', 'true'), 0, ['missing_output']), (GOOD.replace('"La"', '["La"]'), 0, ['missing_output']), (GOOD.replace('"input"', '"output"'), 0, ['not_json']), ('{}', 0, ['missing_instruction']),
    ('{"a": NaN}', 0, ['missing_instruction']), ('[1, 2, "x"]', 0, ['not_json']), ('\0' + GOOD, 1, [])])
def test_answers_as_models_give_them(text, kept, rules):
    records, rejects = parse_jsonl(text, 4, 'stop')
    assert (len(records), [r.rule for r in rejects]) == (kept, rules)

def test_a_cut_loses_only_what_was_cut():
    text = '\n'.join([GOOD] * 4)
    for cut in range(len(text) + 1):
        records, rejects = parse_jsonl(text[:cut], 4, 'length')
        assert len(records) == (cut + 1) // (len(GOOD) + 1)
        assert [r.rule for r in rejects] in ([], ['truncated'], ['empty_response']), (cut, rejects)

@pytest.mark.parametrize('text', ['{"a":' * 200_000, '[' * 200_000 + '{' * 200_000, '{"\n' * 100_000, '{"a":\n' * 5_000, '{"a": 1,\n' * 100_000, '{"a": "\ud800"}', '{"a": "\\ud800"}', '{"a": 1e999999}', '{"instruction": "' + 'x' * 10**6, '{"a": ' + '9' * 5000 + '}'])
def test_hostile_answers_are_rejects_not_crashes(text):
    records, rejects = parse_jsonl(text, 4, 'stop')
    assert records == [] and rejects
    parse_instructions(text, 'stop'), parse_instances('Sing.', text, 'stop'), parse_label(text)

def decode_whole(text, at): return decoder.raw_decode(text, at)

@pytest.mark.parametrize('seed', range(3))
def test_objects_are_those_that_the_whole_text_would_give(seed, monkeypatch):
    rng = random.Random(seed)
    texts = [''.join(rng.choices(['{', '}', '"a"', ':', ',', '[', ']', '\n', ' ', '"', '1', '-', 'tru', 'true', '\\u00', '{"a": 1}', '{"b":\n'], k=rng.randint(1, 40))) for _ in range(20_000)]
    ours = [json_objects(text) for text in texts]
    monkeypatch.setattr(threestep, 'decode_at', decode_whole)
    assert ours == [json_objects(text) for text in texts] and sum(bool(found) for found, *_ in ours) > 1000

@pytest.mark.parametrize('text, label', [('yes', True), ('Yes.', True), (' NO', False), ('"no"', False), ('**yes** because', True), ('', None), ('yesterday', None), ('not sure', None), ('It is: yes', None)])
def test_labels(text, label): assert parse_label(text) is label

def test_examples_are_few_and_either_key_comes_first():
    text = '\n'.join(json_line(output=str(n), input=f'in {n}') for n in range(9))
    records, rejects = parse_instances('Count.', text, 'stop')
    assert [r.output for r in records] == ['0', '1', '2', '3', '4'] and not rejects and MOST == 5


# ---- runs
def essence(outcome): return outcome.records, outcome.rejected, outcome.requests, outcome.failures, outcome.yields

@pytest.fixture(scope='module', params=['jsonl', 'threestep'])
def form(request): return request.param

@pytest.fixture(scope='module')
def whole(tmp_path_factory, form):
    log = tmp_path_factory.mktemp('whole')/'log.jsonl'
    return generate(Fake(), SEEDS, 40, log, template=form, concurrency=1), log

@pytest.mark.parametrize('concurrency', [2, 8])
def test_concurrency_changes_nothing(tmp_path, whole, form, concurrency):
    assert generate(Fake(), SEEDS, 40, tmp_path/'log.jsonl', template=form, concurrency=concurrency) == whole[0] == replay(tmp_path/'log.jsonl')

def test_cut_at_any_byte_it_goes_on(tmp_path, whole, form):
    data, log = whole[1].read_bytes(), tmp_path/'cut.jsonl'
    for cut in random.Random(0).sample(range(len(data) + 1), 10) + [0, 1, len(data)]:
        log.write_bytes(data[:cut])
        assert essence(generate(Fake(), SEEDS, 40, log, template=form)) == essence(whole[0]) == essence(replay(log)), cut

def test_more_later_is_the_same_as_more_at_once(tmp_path, whole, form):
    for wanted in (1, 13, 40): outcome = generate(Fake(), SEEDS, wanted, tmp_path/'log.jsonl', template=form)
    assert essence(outcome) == essence(whole[0])
    teacher = Fake()
    assert essence(generate(teacher, SEEDS, 40, tmp_path/'log.jsonl', template=form)) == essence(whole[0]) and teacher.asked == 0

def test_the_waterfall_knows_every_rule(whole):
    stages = dict(waterfall(whole[0]))
    assert stages['kept'] == 40 and stages['requests'] == whole[0].requests

@pytest.mark.parametrize('api', ['chat', 'completions'])
def test_both_endpoints_over_http(tmp_path, form, api):
    with scripted_teacher('teacher-clean') as url:
        teacher = Teacher(url, 'any', 'teacher-clean', api=api, first_pause=.01)
        outcome = generate(teacher, SEEDS, 20, tmp_path/'log.jsonl', template=form)
        teacher.close()
    assert outcome.stopped == 'done: 20 records kept' and replay(tmp_path/'log.jsonl') == outcome

def test_a_log_belongs_to_one_form(tmp_path, form):
    generate(Fake(), SEEDS, 3, tmp_path/'log.jsonl', template=form)
    with pytest.raises(LogError, match='template was'): generate(Fake(), SEEDS, 3, tmp_path/'log.jsonl')


# ---- the three steps
def events_of(log, step): return [e for e in read_events(log) if e['event'] == 'request' and e['step'] == step]

def test_steps_follow_each_other_and_ideas_come_back(tmp_path):
    log = tmp_path/'log.jsonl'
    generate_threestep(Fake(), SEEDS, 60, log, concurrency=1)
    shown = events_of(log, 'instruction')
    assert all((len(e['seeds']), len(e['own'])) == ((8, 0) if number < PER_ROUND else (6, 2)) for number, e in enumerate(shown)) and len(shown) > PER_ROUND
    ideas = [task[1] for e in read_events(log) if e['event'] == 'verdict' for task in e['tasks'] if task[0] == 'idea']
    assert [e['idea'] for e in events_of(log, 'label')] == list(range(len(events_of(log, 'label'))))
    assert len(ideas) == len(set(ideas)) and not set(ideas) & {s.instruction for s in SEEDS}
    assert {e['idea'] for e in events_of(log, 'instances')} <= {e['idea'] for e in events_of(log, 'label')}

def test_classifications_are_asked_for_the_output_first(tmp_path):
    orders = {True: set(), False: set()}
    class Asked(Fake):
        def ask(self, prompt, **sampling):
            reply = super().ask(prompt, **sampling)
            if 'instances' in (kind_of(prompt) or '') and reply.text: orders[kind_of(prompt).startswith('labelled')].add(next(iter(json_objects(reply.text)[0][0])))
            return reply
    generate_threestep(Asked(rates=CLEAN), SEEDS, 40, tmp_path/'log.jsonl')
    assert orders == {True: {'output'}, False: {'input'}}

def test_failed_and_unclear_steps_are_rejects_with_a_name(tmp_path):
    fail = lambda step, prompt: TeacherError('server', 'sorry') if step in ('label', 'instances') and chance('f', prompt).random() < .2 else None
    outcome = generate_threestep(Fake(fail), SEEDS, 30, tmp_path/'log.jsonl')
    assert outcome.rejects['no_label'] + outcome.rejects['no_instance'] >= outcome.failures['server'] > 2
    assert replay(tmp_path/'log.jsonl') == outcome
    unclear = generate_threestep(Fake(change=lambda step, text: 'Perhaps.' if step == 'label' else text), SEEDS, 30, tmp_path/'unclear.jsonl', patience=2)
    assert len(unclear) == 0 and unclear.rejects['no_label'] > 5 and 'nothing kept' in unclear.stopped

def test_a_teacher_with_nothing_to_say_stops_the_run(tmp_path):
    outcome = generate_threestep(Fake(change=lambda step, text: 'Sorry.'), SEEDS, 30, tmp_path/'log.jsonl', patience=3)
    assert outcome.requests == 3 * PER_ROUND and outcome.rejects == {'not_json': 3 * PER_ROUND} and 'nothing kept' in outcome.stopped

def test_a_log_whose_steps_do_not_follow_is_refused(tmp_path):
    log = tmp_path/'log.jsonl'
    generate_threestep(Fake(), SEEDS, 20, log)
    log.write_text(log.read_text().replace('"step": "label", "idea": 0', '"step": "label", "idea": 1', 1))
    with pytest.raises(LogError, match="for 'label', but 'label' follows|damaged"): replay(log)

def test_impossible_arguments(tmp_path):
    for options, says in [(dict(tasks=8), 'leave room'), (dict(seeds_per_request=41), 'there are 40 seeds'), (dict(threshold=0), 'threshold')]:
        with pytest.raises(ValueError, match=says): generate_threestep(Fake(), SEEDS, 9, tmp_path/'log.jsonl', **options)
    with pytest.raises(ValueError, match='no prompt template'): generate(Fake(), SEEDS, 9, tmp_path/'log.jsonl', template='four')
    with pytest.raises(ValueError, match='leave room'): build_json_prompt(SEEDS[:20])
    with pytest.raises(ValueError, match='leave room'): build_instructions([], 9)
    assert not (tmp_path/'log.jsonl').exists() and set(FORMS) >= {'alpaca', 'jsonl', 'threestep'} and FORMS['threestep'] is ThreeStep

def test_prompts_are_told_apart():
    made = {kind: STEPS[kind].format(more=3, task=json.dumps('Quote "x".\n')) for kind in STEPS} | {'jsonl': build_json_prompt(SEEDS[:3]), None: build_prompt(SEEDS[:3])}
    assert all(kind_of(prompt) == kind for kind, prompt in made.items())
    assert kind_of('Spell moon.') is None and Rates().malformed > 0
